"""``fla-batch send`` against a real SFTP server that answers when GO is closed.

The server is asyncssh's own, in a thread, on a directory of the test: what is shown here is the
sender's behaviour, also towards a server that cuts, refuses or forges.
"""

from __future__ import annotations

import asyncio
import json
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from batch.cli.main import run
from batch.signing import certificate, encoding
from batch.signing.signature import load_key, sign_detached
from fixtures.certificates import PKI
from tests.declarations import rights

STEM = "FLAD.000001.20261120.00001.R"
TICKET = "2AB001C3D4E5F"
INSTITUTION = "tester"

Answer = Callable[["Channel", str], None]
"""What the channel does when the GO of this name was closed."""


class Channel:
    """A server on ``root``; ``closed`` are the names in the order of their CLOSE."""

    def __init__(self, root: Path, answer: Answer) -> None:
        self.root = root
        self.answer = answer
        self.closed: list[str] = []
        self.cut_at_listing = 0
        self.logins = 0
        self.refuse = ""
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.port = 0
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        for folder in ("IN", "OUT", "INTEST", "OUTTEST"):
            (root / folder).mkdir()

    def put(self, code: str, sequence: str, content: bytes, kind: str = "FO") -> None:
        """Lay down an answer, GO last, signed by the institution."""
        tail = f"{code}.999999.20261120.{sequence}.R.1"
        key = load_key((PKI / f"{INSTITUTION}.key.pem").read_bytes())
        signer = certificate.read((PKI / f"{INSTITUTION}.pem").read_bytes())
        fs = encoding.encode(sign_detached([content], key, signer, datetime.now(UTC)))
        out = self.root / "OUT"
        (out / f"{kind}.{tail}.1").write_bytes(content)
        (out / f"FS.{tail}.1").write_bytes(fs)
        (out / f"GO.{tail}").touch()


def acrf(go: str, *codes: str, ticket: str = TICKET) -> bytes:
    errors = "".join(f"<ErrorID>ACRF-{code}</ErrorID>" for code in codes)
    return (
        f"<ACRF><Form><FileReference><FileName>{go}</FileName><ReferenceNbr>{ticket}"
        f"</ReferenceNbr></FileReference><ReceptionResult><ResultCode>{int(not codes)}"
        f"</ResultCode>{errors}</ReceptionResult></Form></ACRF>"
    ).encode()


def noti(*results: int, ticket: str = TICKET) -> bytes:
    anomaly = (
        "<AnomalyReport><ErrorID>00024-004</ErrorID><AnomalyClass>B</AnomalyClass>"
        "<AnomalyLocation><LineNbr>31</LineNbr></AnomalyLocation></AnomalyReport>"
    )
    forms = (
        f"<Form><FileReference><FileName>FI.{STEM}.1.1</FileName><ReferenceNbr>{ticket}"
        f"</ReferenceNbr></FileReference><HandlingResult><ResultCode>{result}</ResultCode>"
        f"{'' if result else anomaly}</HandlingResult><ApplicationData><FLAResult>"
        f'<RemainingHours type="LEGAL">3800</RemainingHours></FLAResult></ApplicationData></Form>'
        for result in results
    )
    return f"<NOTIFICATION>{''.join(forms)}</NOTIFICATION>".encode()


def accept(channel: Channel, go: str) -> None:
    channel.put("ACRF", "00001", acrf(go))
    channel.put("NOTI", "00001", noti(1, 1, 1))


def _server(channel: Channel) -> type[asyncssh.SFTPServer]:
    class Home(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(channel.root).encode())

        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            if channel.cut_at_listing and path.endswith(b"OUT"):
                channel.cut_at_listing -= 1
                if not channel.cut_at_listing:
                    channel.connections[-1].abort()
            async for name in super().scandir(path):
                yield name

        def close(self, file_obj: object) -> None:
            name = Path(str(getattr(file_obj, "name", b""), "utf-8")).name
            super().close(file_obj)
            if channel.refuse and name.startswith(channel.refuse):
                raise asyncssh.SFTPFailure("the disk is full")
            channel.closed.append(name)
            if name.startswith("GO."):
                channel.answer(channel, name)

    return Home


class _Accounts(asyncssh.SSHServer):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._channel.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._channel.logins += 1
        public = (PKI / "employer.ssh.pub").read_text("ascii")
        return username == "employer" and key == asyncssh.import_public_key(public)


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    (tmp_path / "home").mkdir()
    made = Channel(tmp_path / "home", accept)
    (tmp_path / "host.pub").write_bytes(made.host_key.export_public_key())
    loop = asyncio.new_event_loop()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Accounts(made),
            server_host_keys=[made.host_key],
            sftp_factory=_server(made),
        )

    async def stop(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for connection in made.connections:
            connection.abort()
            await connection.wait_closed()
        await acceptor.wait_closed()

    acceptor = loop.run_until_complete(start())
    made.port = acceptor.get_port()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield made
    asyncio.run_coroutine_threadsafe(stop(acceptor), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Sender:
    """A sender with one FI in its directory."""

    def __init__(self, channel: Channel, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.channel, self.home, self._capsys = channel, home, capsys
        self.fi = home / f"FI.{STEM}.1.1"
        self.fi.write_bytes(rights(3))
        self.said = self.complained = ""

    def __call__(self, *arguments: object, sign: bool = True) -> int:
        """Send; the exit code."""
        place = ["--host", "127.0.0.1", "--port", self.channel.port, "--user", "employer"]
        trust = ["--identity", PKI / "employer.ssh", "--host-key", self.home / "host.pub"]
        key = ["--key", PKI / "employer.key.pem", "--certificate", PKI / "employer.pem"]
        command = ["send", *place, *trust, *(key if sign else ()), *(arguments or (self.fi,))]
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in command])
        self.said, self.complained = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    def wait(self, *arguments: object, timeout: float = 20) -> int:
        return self(self.fi, "--wait", "--json", "--timeout", timeout, *arguments)

    @property
    def report(self) -> dict[str, Any]:
        (found,) = json.loads(self.said)["sets"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def sender(channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sender:
    return Sender(channel, tmp_path, capsys)


def test_the_data_goes_first_then_the_signatures_then_the_trigger(
    channel: Channel, sender: Sender
) -> None:
    parts = [sender.home / f"FI.{STEM}.2.{part}" for part in (2, 1)]
    for part in parts:
        part.write_bytes(rights(200, prefix=part.name))
    assert sender(*parts) == 0
    assert channel.closed == [
        f"FI.{STEM}.2.1",
        f"FI.{STEM}.2.2",
        f"FS.{STEM}.2.1",
        f"FS.{STEM}.2.2",
        f"GO.{STEM}.2",
    ]
    for part in parts:
        assert (channel.root / "IN" / part.name).read_bytes() == part.read_bytes()


def test_a_large_file_arrives_octet_for_octet(channel: Channel, sender: Sender) -> None:
    sender.fi.write_bytes(rights(9000))
    assert sender.fi.stat().st_size > 5_000_000
    assert sender() == 0
    assert (channel.root / "IN" / sender.fi.name).read_bytes() == sender.fi.read_bytes()


def test_everything_accepted_ends_with_0_and_tells_the_remaining_hours(sender: Sender) -> None:
    assert sender.wait() == 0
    assert sender.report["verdict"] == "accepted"
    assert sender.report["receipt"]["ticket"] == TICKET
    assert sender.report["notice"]["accepted"] == 3
    assert sender.report["notice"]["forms"][0]["remaining"] == {"LEGAL": 3800}


def test_the_table_shows_code_and_text(channel: Channel, sender: Sender) -> None:
    channel.answer = lambda c, go: c.put("ACRF", "00001", acrf(go, "125"))
    assert sender(sender.fi, "--wait") == 1
    assert "ACRF-125" in sender.said
    assert "signature" in sender.said.lower()


def test_one_refused_form_ends_with_1(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        c.put("ACRF", "00001", acrf(go))
        c.put("NOTI", "00001", noti(1, 0, 1))

    channel.answer = answer
    assert sender.wait() == 1
    assert sender.report["verdict"] == "partly"
    (anomaly,) = sender.report["notice"]["forms"][1]["anomalies"]
    assert (anomaly["error_id"], anomaly["line"], anomaly["class"]) == ("00024-004", 31, "B")


def test_an_answer_without_its_trigger_is_not_read(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        c.put("ACRF", "00001", acrf(go))
        (c.root / "OUT" / "GO.ACRF.999999.20261120.00001.R.1").unlink()

    channel.answer = answer
    assert sender.wait(timeout=1) == 1
    assert sender.report["verdict"] == "unanswered"


def test_a_packed_answer_is_read(channel: Channel, sender: Sender) -> None:
    def answer(c: Channel, go: str) -> None:
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("FO.NOTI.999999.20261120.00001.R.1.1", noti(1))
        c.put("ACRF", "00001", acrf(go))
        c.put("NOTI", "00001", packed.getvalue(), "CO")

    channel.answer = answer
    assert sender.wait("--institution", PKI / f"{INSTITUTION}.pem") == 0
    assert sender.report["notice"]["proof"] == "verified"


def test_ours_are_saved_and_removed_and_those_of_others_stay(
    channel: Channel, sender: Sender
) -> None:
    channel.put("ACRF", "0000Z", acrf("GO.FLAD.000001.20261119.00009.R.1", ticket="OTHER"))
    channel.put("NOTI", "0000Z", noti(1, ticket="OTHER"))
    (channel.root / "OUT" / "FO.DMNO.999999.20261120.00010.R.1.1").write_bytes(b"unrelated")
    others = {path.name for path in (channel.root / "OUT").iterdir()}
    saved = sender.home / "answers"
    assert sender.wait("--answers", saved, "--remove") == 0
    assert {path.name for path in (channel.root / "OUT").iterdir()} == others
    assert sorted(path.name for path in saved.iterdir()) == [
        f"{kind}.{code}.999999.20261120.00001.R.1{part}"
        for kind, part in (("FO", ".1"), ("FS", ".1"), ("GO", ""))
        for code in ("ACRF", "NOTI")
    ]


def test_nothing_is_removed_unasked(channel: Channel, sender: Sender) -> None:
    assert sender.wait() == 0
    assert len(list((channel.root / "OUT").iterdir())) == 6


def test_answers_are_proved_with_the_certificate_of_the_institution(sender: Sender) -> None:
    assert sender.wait("--institution", PKI / f"{INSTITUTION}.pem") == 0
    assert sender.report["receipt"]["proof"] == "verified"


def test_an_answer_signed_by_another_is_not_believed_and_not_removed(
    channel: Channel, sender: Sender
) -> None:
    assert sender.wait("--institution", PKI / "renewed.pem", "--remove") == 1
    assert sender.report["verdict"] == "unproven"
    assert len(list((channel.root / "OUT").iterdir())) == 6


def test_a_connection_lost_while_waiting_is_made_anew(channel: Channel, sender: Sender) -> None:
    def later(c: Channel, go: str) -> None:
        threading.Timer(1.5, accept, (c, go)).start()

    channel.answer = later
    channel.cut_at_listing = 3
    assert sender.wait() == 0
    assert channel.cut_at_listing == 0
    assert len(channel.connections) == 2


def test_a_repeat_finds_the_answers_it_had_before(channel: Channel, sender: Sender) -> None:
    assert sender.wait() == 0
    for path in (channel.root / "IN").iterdir():
        path.unlink()
    channel.answer = lambda c, go: None
    assert sender.wait(timeout=4) == 0
    assert sender.report["receipt"]["ticket"] == TICKET
    assert not sender.report["already"]


def test_a_new_answer_outweighs_one_from_before(channel: Channel, sender: Sender) -> None:
    """Other content under a used stem gets its own receipt, which is not that of the first."""
    assert sender.wait() == 0
    for path in (channel.root / "IN").iterdir():
        path.unlink()
    sender.fi.write_bytes(rights(4))
    channel.answer = lambda c, go: c.put("ACRF", "00002", acrf(go, "133", ticket="SECOND"))
    assert sender.wait() == 1
    assert sender.report["receipt"]["codes"] == ["ACRF-133"]


def test_a_set_that_lies_there_whole_is_not_sent_again(channel: Channel, sender: Sender) -> None:
    assert sender() == 0
    assert sender.wait(timeout=4) == 0
    assert channel.closed.count(f"GO.{STEM}.1") == 1
    assert sender.report["already"]


def test_what_the_channel_says_to_close_is_heard(channel: Channel, sender: Sender) -> None:
    channel.refuse = "FI."
    assert sender() == 1
    assert "the disk is full" in sender.complained
    assert not channel.closed


def test_an_unsigned_set_for_in_is_not_sent(channel: Channel, sender: Sender) -> None:
    assert sender(sign=False) == 1
    assert "must be signed" in sender.complained
    assert channel.logins == 0


def test_the_fs_lying_beside_is_sent(channel: Channel, sender: Sender) -> None:
    (sender.home / f"FS.{STEM}.1.1").write_bytes(b"MII=")
    assert sender(sign=False) == 0
    assert (channel.root / "IN" / f"FS.{STEM}.1.1").read_bytes() == b"MII="


def test_a_test_needs_no_signature_and_goes_to_intest(channel: Channel, sender: Sender) -> None:
    test = sender.home / "FI.FLAD.000001.20261120.00001.T.1.1"
    test.write_bytes(rights(1))
    assert sender(test, sign=False) == 0
    assert sorted(path.name[:2] for path in (channel.root / "INTEST").iterdir()) == ["FI", "GO"]


def test_another_host_key_is_refused_before_logging_in(channel: Channel, sender: Sender) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    (sender.home / "host.pub").write_bytes(other.export_public_key())
    assert sender() == 1
    assert "another server" in sender.complained
    assert channel.logins == 0


def test_a_key_nobody_registered_does_not_get_in(sender: Sender) -> None:
    assert sender(sender.fi, "--identity", PKI / "stranger.ssh") == 1
    assert "does not let employer in" in sender.complained


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "65536"), "not a port"),
        (("--port", "many"), "not a port"),
        (("--wait", "--timeout", "-1"), "seconds"),
        (("--wait", "--timeout", "nan"), "seconds"),
        (("--remove",), "need --wait"),
        (("--host-key", "absent.pub"), "No such file"),
        (("--identity", "absent"), "No such file"),
        (("--port", "1"), "cannot be reached"),
    ],
)
def test_a_bad_value_ends_with_1_and_the_reason(
    sender: Sender, arguments: tuple[str, ...], says: str
) -> None:
    assert sender(sender.fi, *arguments) == 1
    assert says in sender.complained
