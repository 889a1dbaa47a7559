"""A sender's quota as it meets it: one sentence, and the space its programs show."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.names import LONGEST_NAME
from batch.settings import load
from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    FRESH,
    Raw,
    Running,
    make_instance,
    openssh_pem,
    register,
    serving,
)

BYTES, FILES = 1024 * 1000, 5
SENTENCE = (
    f"your files in IN and INTEST have reached the {BYTES} bytes or {FILES} files that may wait "
    "there; send again after your waiting sets are answered, or remove some"
)
READ_ONLY, NO_SUID = 1, 2


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("instance")
    settings = load(data=data, port=0, max_sender_bytes=BYTES, max_sender_files=FILES)
    instance = make_instance(settings)
    keys = {name: ed25519.Ed25519PrivateKey.generate() for name in ("alice", "bob")}
    register(instance, "000001", "alice", keys["alice"])
    register(instance, "000002", "bob", keys["bob"])
    with serving(instance, settings) as port:
        yield Running(instance, port, dict(keys))


def statvfs(raw: Raw, path: bytes) -> tuple[int, ...]:
    kind, rest = raw.ask(Packet.EXTENDED, b"statvfs@openssh.com", path)
    assert kind == Packet.EXTENDED_REPLY, rest
    return struct.unpack(">11Q", rest)


def put(raw: Raw, path: bytes, size: int) -> None:
    handle = raw.open(path, FRESH)
    assert raw.status(Packet.WRITE, handle, 0, 0, bytes(size))[0] == Status.OK
    assert raw.status(Packet.CLOSE, handle)[0] == Status.OK


@pytest.mark.parametrize("path", [b"/", b".", b"/IN", b"/INTEST", b"/IN/one"])
def test_the_space_is_the_senders_own_and_what_is_left_of_it(small: Running, path: bytes) -> None:
    with Raw(small) as raw:
        put(raw, b"/IN/one", 10_000)
        put(raw, b"/INTEST/two", 20_000)
        told = statvfs(raw, path)
    free = (BYTES - 30_000) // 1024
    taken = -(-30_000 // 1024)
    blocks = (1024, 1024, taken + free, free, free)
    assert told == (*blocks, FILES, FILES - 2, FILES - 2, 0, NO_SUID, LONGEST_NAME)


def test_nothing_can_be_stored_where_answers_are(small: Running) -> None:
    with Raw(small) as raw:
        told = statvfs(raw, b"/OUT")
    assert told[3:5] == (0, 0)
    assert told[6:10] == (0, 0, 0, READ_ONLY | NO_SUID)


def test_one_sees_nothing_of_the_other_nor_of_the_host(small: Running) -> None:
    with Raw(small) as alice, Raw(small, "bob") as bob:
        before = statvfs(bob, b"/IN")
        put(alice, b"/IN/one", 100_000)
        assert statvfs(bob, b"/IN") == before
    assert before[2] * before[1] == BYTES


@pytest.mark.parametrize("path", [b"/IN/absent", b"/etc", b"/IN/../../x", b"/IN/.x", b"\xff"])
def test_what_a_sender_does_not_see_has_no_space(small: Running, path: bytes) -> None:
    with Raw(small) as raw:
        code, _ = raw.status(Packet.EXTENDED, b"statvfs@openssh.com", path)
    assert code == Status.NO_SUCH_FILE


def test_at_the_quota_the_sentence_is_told_at_open_and_at_write(small: Running) -> None:
    with Raw(small) as raw, Raw(small) as other, Raw(small, "bob") as bob:
        handle = raw.open(b"/IN/growing", FRESH)
        for number in range(9):
            sent = raw.status(Packet.WRITE, handle, 0, number * 100_000, bytes(100_000))
            assert sent[0] == Status.OK
        held = other.open(b"/INTEST/growing", FRESH)
        refused = other.status(Packet.WRITE, held, 0, 0, bytes(200_000))
        assert refused == (Status.FAILURE, SENTENCE)
        code, text = other.status(Packet.CLOSE, held)
        assert (code, SENTENCE in text) == (Status.FAILURE, True)
        for number in range(FILES - 1):
            put(raw, b"/IN/small%d" % number, 1)
        assert other.status(Packet.OPEN, b"/IN/one.more", FRESH, 0) == (Status.FAILURE, SENTENCE)
        put(bob, b"/IN/one.more", 200_000)
        assert raw.status(Packet.CLOSE, handle)[0] == Status.OK


@pytest.mark.needs("sftp")
def test_df_of_openssh_shows_it(small: Running, tmp_path: Path) -> None:
    identity = tmp_path / "alice"
    identity.write_text(openssh_pem(small.keys["alice"]))
    identity.chmod(0o600)
    given = {
        "IdentityFile": identity,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "Port": small.port,
    }
    options = [part for k, v in given.items() for part in ("-o", f"{k}={v}")]
    done = subprocess.run(
        ["sftp", "-F", "none", *options, "-b", "-", "alice@127.0.0.1"],
        input="df IN\ndf -i IN\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = [line.split() for line in done.stdout.splitlines() if re.fullmatch(r"[\s\d%]+", line)]
    assert shown == [
        ["1000", "0", "1000", "1000", "0%"],
        ["5", "0", "5", "5", "0%"],
    ]


def test_the_place_of_a_file_that_a_rename_replaced_is_free_at_once(small: Running) -> None:
    with Raw(small) as raw:
        for number in range(FILES):
            put(raw, b"/IN/f%d" % number, 1)
        assert statvfs(raw, b"/IN")[6] == 0
        paths = b"/IN/f0", b"/IN/f1"
        renamed = raw.status(Packet.EXTENDED, b"posix-rename@openssh.com", *paths)
        assert renamed[0] == Status.OK
        put(raw, b"/IN/one.more", 1)
