"""What a sender can do with files, through paramiko."""

from __future__ import annotations

import io
import os

import pytest

from tests.integration.sftp_server.support import Running, told


def test_a_file_goes_up_is_listed_renamed_read_back_and_removed(running: Running) -> None:
    content = os.urandom(700_000)
    with running.sftp() as sftp:
        assert sftp.putfo(io.BytesIO(content), "/IN/first.tmp").st_size == len(content)
        assert [a.filename for a in sftp.listdir_attr("/IN")] == ["first.tmp"]
        sftp.rename("/IN/first.tmp", "IN/first.xml")
        assert sftp.stat("/IN/../IN/first.xml").st_size == len(content)
        back = io.BytesIO()
        sftp.getfo("/IN/first.xml", back)
        assert back.getvalue() == content
        sftp.remove("/IN/first.xml")
        assert sftp.listdir("/IN") == []
        with pytest.raises(FileNotFoundError):
            sftp.stat("/IN/first.xml")


def test_an_answer_is_read_and_removed_but_not_written(running: Running) -> None:
    with running.sftp() as sftp:
        (running.outbox / "FO.x").write_bytes(b"answer")
        with sftp.open("/OUT/FO.x") as answer:
            assert answer.read() == b"answer"
        for hostile in ("FO.x", "FO.new"):
            with pytest.raises(PermissionError, match="answers are read and removed"):
                sftp.open(f"/OUT/{hostile}", "w").close()
        sftp.remove("/OUT/FO.x")
        assert sftp.listdir("/OUT") == []


@pytest.mark.parametrize("modified", [-(2**31), -1, 2**33])
def test_a_file_of_any_time_is_listed_and_read(running: Running, modified: int) -> None:
    """An operator's copy may carry a time that version 3 has no number for."""
    with running.sftp() as sftp:
        path = running.outbox / "FO.old"
        path.write_bytes(b"answer")
        os.utime(path, (modified, modified))
        [listed] = sftp.listdir_attr("/OUT")
        with sftp.open("/OUT/FO.old") as answer:
            told = {listed.st_mtime, sftp.stat("/OUT/FO.old").st_mtime, answer.stat().st_mtime}
            assert answer.read() == b"answer"
        assert told == {0 if modified < 0 else 2**32 - 1}
        sftp.remove("/OUT/FO.old")


def test_a_directory_in_place_of_a_file_is_told_to_sender_and_operator(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    with running.sftp() as sftp:
        sftp.putfo(io.BytesIO(b"whole"), "/IN/other")
        (running.inbox / "mistake").mkdir()
        with pytest.raises(FileNotFoundError):  # its CLOSE was refused, which paramiko keeps quiet
            sftp.putfo(io.BytesIO(b"new"), "/IN/mistake")
        for rename in (sftp.rename, sftp.posix_rename):
            with pytest.raises(PermissionError, match="tell its operator"):
                rename("/IN/other", "/IN/mistake")
        assert "a directory mistake lies in IN of sender 000001" in told(capfd, "problem")
        (running.inbox / "mistake").rmdir()
        sftp.posix_rename("/IN/other", "/IN/mistake")
        sftp.remove("/IN/mistake")


def test_two_senders_see_nothing_of_each_other(running: Running) -> None:
    with running.sftp("alice") as alice, running.sftp("bob") as bob:
        alice.putfo(io.BytesIO(b"mine"), "/IN/secret")
        assert bob.listdir("/IN") == []
        for path in ("/IN/secret", "/../000001/IN/secret", "/IN/../../000001/IN/secret"):
            with pytest.raises(FileNotFoundError):
                bob.stat(path)
        alice.remove("/IN/secret")


def test_clients_may_set_times_and_modes_and_change_nothing(running: Running) -> None:
    with running.sftp() as sftp:
        sftp.putfo(io.BytesIO(b"12345"), "/IN/attributes")
        sftp.chmod("/IN/attributes", 0o777)
        sftp.utime("/IN/attributes", (1, 1))
        sftp.truncate("/IN/attributes", 5)
        for size in (0, 4, 6):
            with pytest.raises(PermissionError):
                sftp.truncate("/IN/attributes", size)
        found = sftp.stat("/IN/attributes")
        assert found.st_size == 5
        assert found.st_mtime != 1
        sftp.remove("/IN/attributes")
