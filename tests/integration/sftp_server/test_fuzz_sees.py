"""The fuzzer's witnesses see what they are for: a defect is put into the server for each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.errors import Denied
from batch.names import Folder
from batch.sftp_server import operations, protocol, refusals, replies, session
from batch.sftp_server.descriptors import Share
from batch.sftp_server.files import DownloadHandle
from batch.sftp_server.handles import Handles
from batch.sftp_server.home import EntryPlace, Place, locate
from batch.sftp_server.operations import Operations
from batch.sftp_server.protocol import Attributes
from batch.sftp_server.session import SftpSession
from batch.sftp_server.stream import Reader
from batch.storage import spool
from batch.storage.beneath import Held
from batch.storage.quota import Quota
from batch.storage.spool import SenderHome
from tests.integration.sftp_server.fuzz import life, line
from tests.integration.sftp_server.fuzz.judge import OPEN, READ, Failure
from tests.integration.sftp_server.fuzz.life import Event, shrunk, storm

ENOUGH = 25_000
Patch = pytest.MonkeyPatch
Bug = Callable[[Patch], None]
BUGS: dict[str, tuple[str, Bug]] = {}
"""What is wrong, the witness that must say so, and how it is put in."""


def bug(witness: str) -> Callable[[Bug], Bug]:
    def put(plant: Bug) -> Bug:
        BUGS[plant.__name__] = witness, plant
        return plant

    return put


def instead(patch: Patch, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put ``make(what is there)`` in its place."""
    patch.setattr(owner, name, make(getattr(owner, name)))


# --- replies --------------------------------------------------------------------------------


@bug("fault")
def an_internal_error_told_for_what_may_not_be_done(patch: Patch) -> None:
    def explain(was: Any) -> Any:
        return lambda error: refusals.INTERNAL if isinstance(error, Denied) else was(error)

    instead(patch, refusals, "explain", explain)


@bug("journal")
def an_error_nobody_thought_of(patch: Patch) -> None:
    def stat(operation: Operations, request: Any) -> bytes:
        raise KeyError(request.path)

    patch.setitem(operations._LATER, protocol.Stat, stat)


@bug("journal")
def an_upload_that_cannot_be_tidied_away(patch: Patch) -> None:
    def drop(_: Operations, handle: Any) -> None:
        raise RuntimeError

    patch.setattr(Operations, "_drop", drop)


@bug("uncaught")
def an_error_that_leaves_the_session(patch: Patch) -> None:
    def feed(was: Any) -> Any:
        def fed(reader: Reader, data: bytes) -> None:
            if len(data) == 1:
                raise IndexError
            was(reader, data)

        return fed

    instead(patch, Reader, "feed", feed)


@bug("journal")
def an_error_that_ends_the_session(patch: Patch) -> None:
    def write_all(_: Operations, requests: Any) -> Any:
        raise IndexError

    patch.setattr(Operations, "write_all", write_all)


@bug("one each")
def the_last_of_some_writes_unanswered(patch: Patch) -> None:
    instead(patch, Operations, "write_all", lambda was: lambda o, r: was(o, r[:-1] or r[:1]))


@bug("one each")
def writes_answered_in_another_order(patch: Patch) -> None:
    instead(patch, Operations, "write_all", lambda was: lambda o, r: was(o, r[::-1]))


@bug("form")
def a_count_of_names_that_is_wrong(patch: Patch) -> None:
    def names(number: int, entries: list[tuple[bytes, bytes, Attributes]]) -> bytes:
        made = [replies._string(n) + replies._string(m) for n, m, _ in entries]
        return replies._packet(protocol.Packet.NAME, number, (1).to_bytes(4, "big"), *made)

    patch.setattr(replies, "names", names)


@bug("form")
def a_handle_given_twice(patch: Patch) -> None:
    def add(was: Any) -> Any:
        def added(handles: Handles, make: Any) -> Any:
            handles._count = 0
            return was(handles, make)

        return added

    instead(patch, Handles, "add", add)


@bug("form")
def more_read_than_was_asked_for(patch: Patch) -> None:
    instead(patch, DownloadHandle, "read_now", lambda was: lambda h, at, n: was(h, at, n + 1))


@bug("end")
def a_stream_that_goes_on_after_it_broke(patch: Patch) -> None:
    def next_packet(was: Any) -> Any:
        def given(reader: Reader) -> bytes | None:
            packet: bytes | None = was(reader)
            reader.broken = False
            return packet

        return given

    instead(patch, Reader, "next", next_packet)


@bug("end")
def a_session_that_ends_for_nothing(patch: Patch) -> None:
    def unsupported(was: Any) -> Any:
        def done(mine: SftpSession) -> Any:
            request = was(mine)
            if isinstance(request, protocol.Unsupported):
                mine._close()
            return request

        return done

    instead(patch, SftpSession, "_request", unsupported)


# --- memory, handles, descriptors -------------------------------------------------------------


@bug("memory")
def requests_held_without_end(patch: Patch) -> None:
    patch.setattr(session, "READ_AHEAD", 2**40)


@bug("memory")
def replies_for_a_client_that_takes_none(patch: Patch) -> None:
    patch.setattr(SftpSession, "pause_writing", lambda s: None)


@bug("memory")
def every_packet_kept_for_ever(patch: Patch) -> None:
    kept: list[bytes] = []
    patch.setattr(life, "PACKETS", 500)  # 50 MB a life: what other tests gave back is soon used up

    def answer(was: Any) -> Any:
        def answered(mine: Operations, request: Any) -> Any:
            kept.append(os.urandom(100_000))
            return was(mine, request)

        return answered

    instead(patch, Operations, "answer", answer)


@bug("descriptors")
def a_download_never_closed(patch: Patch) -> None:
    patch.setattr(DownloadHandle, "close", lambda handle: None)


@bug("handles")
def a_share_that_is_not_given_back(patch: Patch) -> None:
    def give(_: Share) -> None:
        pass

    patch.setattr(Share, "give", give)
    instead(patch, Share, "take", lambda was: lambda s: bool(was(s)) or True)


# --- the disk ---------------------------------------------------------------------------------


def _beyond(path: bytes) -> Place:
    """As if paths went down as they come."""
    place = locate(path)
    parts = path.decode("utf-8", "replace").split("/")
    if "000010" in parts and len(parts) >= 3:
        at = parts.index("000010")
        return EntryPlace(Folder.IN, "/".join(["..", "..", *parts[at : at + 3]]))
    return place


@bug("secret")
def a_path_that_leads_to_a_neighbour(patch: Patch) -> None:
    patch.setattr(operations, "locate", _beyond)


@bug("outside")
def a_remove_at_a_neighbour(patch: Patch) -> None:
    def only_removes(was: Any) -> Any:
        def removed(home: SenderHome, folder: Folder, name: str) -> None:
            place = home.spool.layout.channels / "000010/IN/mine"
            place.unlink(missing_ok=True)
            was(home, folder, name)

        return removed

    instead(patch, SenderHome, "remove", only_removes)


@bug("outside")
def an_answer_that_is_written_to(patch: Patch) -> None:
    def opened(was: Any) -> Any:
        def then_written(home: SenderHome, folder: Folder, name: str) -> int:
            descriptor: int = was(home, folder, name)
            if not folder.is_inbox:
                path = home.spool.layout.folder(home.sender, folder) / name
                path.write_bytes(b"other")
            return descriptor

        return then_written

    instead(patch, SenderHome, "open_for_reading", opened)


@bug("sealed")
def an_upload_into_the_file_that_has_the_name(patch: Patch) -> None:
    def put(held: Held, path: Path | str, name: str) -> None:
        source = Path(path)
        there = held.status(name)
        if there is None:
            os.rename(source, name, dst_dir_fd=held.descriptor)
            return
        content = source.read_bytes()
        os.chmod(name, 0o600, dir_fd=held.descriptor)
        opened = os.open(name, os.O_WRONLY | os.O_TRUNC, dir_fd=held.descriptor)
        os.write(opened, content)
        os.close(opened)
        source.unlink()

    patch.setattr(Held, "put", put)


@bug("leftovers")
def a_staging_file_that_stays(patch: Patch) -> None:
    patch.setattr(spool.Spool, "discard", lambda mine, staging: None)


@bug("quota")
def an_upload_that_is_never_settled(patch: Patch) -> None:
    patch.setattr(Quota, "_settle", lambda quota, size, *, landed: None)


@bug("quota")
def a_file_that_is_forgotten(patch: Patch) -> None:
    """It landed and is not counted: the count is too low until the next look."""

    def settle(was: Any) -> Any:
        def settled(quota: Quota, size: int, *, landed: bool) -> None:
            was(quota, size, landed=False)
            quota._stale = False

        return settled

    instead(patch, Quota, "_settle", settle)
    patch.setattr(Quota, "freed", lambda quota: None)


# --- what comes of it -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _soon(monkeypatch: Patch) -> None:
    """The shortest way is found in a test of its own, and nothing here needs patience."""
    monkeypatch.setattr(life, "SHRINK_SECONDS", 0.0)
    monkeypatch.setattr(line, "PATIENCE", 10.0)


@pytest.mark.parametrize("name", BUGS)
def test_it_is_seen(monkeypatch: Patch, name: str) -> None:
    witness, plant = BUGS[name]
    plant(monkeypatch)
    with pytest.raises(Failure) as failed:
        storm(1, 0, ENOUGH)
    assert failed.value.witness == witness, failed.value


def test_what_is_wrong_is_told_with_the_shortest_way_to_it(monkeypatch: Patch) -> None:
    """Of hundreds of packets those stay without which it does not go wrong.

    Handles are numbered, so some that were given before stay as well.
    """
    monkeypatch.setattr(life, "SHRINK_SECONDS", 60.0)
    BUGS["more_read_than_was_asked_for"][1](monkeypatch)
    with pytest.raises(Failure) as failed:
        storm(1, 0, ENOUGH)
    told = str(failed.value).splitlines()
    assert told[1].startswith("FLA_PACKETS_SEED=1, life ")
    begin, hello, *opened, read = told[2:]
    assert begin.startswith("begin ")
    assert hello.endswith(life.HELLO.hex())
    assert f"{OPEN:02x}" in [one.split()[2][8:10] for one in opened]
    assert len(opened) < 10
    assert read.split()[2][8:10] == f"{READ:02x}"


def test_nothing_is_told_of_events_that_break_nothing() -> None:
    events = [Event("begin", 1), Event("say", 1, (life.HELLO,)), Event("finish", 1)]
    assert asyncio.run(shrunk(1, 0, events, "one each")) == events
    assert asyncio.run(life.relived(1, 0, events)) is None
