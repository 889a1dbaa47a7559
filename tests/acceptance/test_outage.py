"""The database is away and the channel takes in what comes: nobody hears of it but by waiting.

Away is: locked by another, moved, another thing in its place. When it is back everything is
answered exactly once, and no process was started again.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncssh
import paramiko
import pytest

from fixtures.declared import fs
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.held import OK, upload
from tests.acceptance.instance import Instance, soon
from tests.declarations import declaration, person, right

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LOGIN_SECONDS = 2.0 + 20.0
"""A locked database is asked for two seconds; the rest is the handshake on a busy machine."""

TOO_MANY = "too many sets are waiting at the receiver; send the GO again later"

_numbers = iter(range(730_000, 740_000))


def a_set(letter: str = "R") -> tuple[str, dict[str, bytes]]:
    """A set of one right of somebody who has none: its stem and its files."""
    number = next(_numbers)
    stem = new_stem("000001", letter)
    fi = declaration(right(f"R/away/{number}", inss=person(number)))
    return stem, named(stem, (fi, fs(fi) if letter == "R" else None))


def send(instance: Instance, registered: Registered, letters: str) -> list[str]:
    """A login for each set, all of which is taken; the stems."""
    stems = []
    for letter in letters:
        stem, files = a_set(letter)
        begun = time.monotonic()
        with Mail(instance, registered.employer) as mail:
            assert time.monotonic() - begun < LOGIN_SECONDS
            mail.put(files, "IN" if letter == "R" else "INTEST")
        stems.append(stem)
    return stems


def each_is_answered_once(instance: Instance, registered: Registered, stems: list[str]) -> None:
    """With a positive ACRF and a NOTI, by the processes that were there from the start."""
    with Mail(instance, registered.employer) as mail:
        for stem in stems:
            place = mail.out if stem.endswith("R") else mail.outtest
            assert [form.result for form in place.judged(stem)] == ["1"]
        answers = [*mail.out.seen.values(), *mail.outtest.seen.values()]
        assert len(answers) == 2 * len(stems)
    assert "process ended" not in instance.log
    assert instance.rests()
    listed = instance.json("submission", "list")
    assert sorted(line["state"] for line in listed) == ["answered"] * len(stems)


def answers_in(instance: Instance) -> list[str]:
    return [n for f in ("OUT", "OUTTEST") for n in os.listdir(instance.folder("000001", f))]


@contextmanager
def locked(path: Path, *, entirely: bool = False) -> Iterator[None]:
    """Another process's transaction; ``entirely``: nobody can read either."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        if entirely:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM register_event WHERE id < 0")
        yield
        other.execute("ROLLBACK")


@contextmanager
def moved(path: Path, *, whole: bool = False) -> Iterator[None]:
    """``whole``: with its -wal, which holds what was committed last; else without."""
    ends = ("", "-wal", "-shm") if whole else ("",)
    for end in ends:
        path.with_name(path.name + end).rename(path.with_name("away" + end))
    yield
    for end in ends:
        path.with_name("away" + end).rename(path.with_name(path.name + end))


@contextmanager
def a_directory_instead(path: Path) -> Iterator[None]:
    with moved(path):
        path.mkdir()
        yield
        path.rmdir()


@contextmanager
def an_empty_file_instead(path: Path) -> Iterator[None]:
    with moved(path):
        path.touch()
        yield
        assert path.stat().st_size == 0
        path.unlink()


@contextmanager
def another_version_instead(path: Path) -> Iterator[None]:
    """What a database restored from an old copy may be."""
    with moved(path):
        elsewhere = path.with_name("old")  # where it stands, SQLite would delete the other's log
        with closing(sqlite3.connect(elsewhere)) as other:
            other.execute("CREATE TABLE alembic_version (version_num)")
            other.execute("INSERT INTO alembic_version VALUES ('0000')")
            other.commit()
        elsewhere.rename(path)
        before = path.read_bytes()
        yield
        assert path.read_bytes() == before
        path.unlink()


@contextmanager
def its_directory_moved(path: Path) -> Iterator[None]:
    with moved(path.parent):
        yield
        assert not path.parent.exists()


AWAY: dict[str, Callable[[Path], object]] = {
    "locked": locked,
    "moved": moved,
    "moved-with-its-log": lambda path: moved(path, whole=True),
    "directory-moved": its_directory_moved,
    "directory-instead": a_directory_instead,
    "empty-file-instead": an_empty_file_instead,
    "another-version-instead": another_version_instead,
}


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_what_is_sent_while_the_database_is_away_is_taken_and_answered_when_it_is_back(
    serving: Serving, registered: Registered, away: Callable[[Path], object]
) -> None:
    instance = serving()
    instance.serve()
    before = send(instance, registered, "RT")
    with Mail(instance, registered.employer) as mail:
        mail.out.wait(before[0])
        mail.outtest.wait(before[1])
    assert instance.rests()
    shown = answers_in(instance)
    context: object = away(instance.data / "db" / "production.sqlite")
    with context:  # type: ignore[attr-defined]
        during = send(instance, registered, "RRT")
        time.sleep(4)
        assert answers_in(instance) == shown
        assert sorted(os.listdir(instance.data / "spool" / "sealed"))[0].startswith("000001.IN.")
        during += send(instance, registered, "R")
    each_is_answered_once(instance, registered, before + during)


def test_a_start_with_a_locked_database_listens_and_works_when_it_is_free(
    serving: Serving, registered: Registered
) -> None:
    """Who cannot be judged is told to come back: no key is called wrong because of us."""
    instance = serving()
    instance.serve()
    with locked(instance.data / "db" / "production.sqlite"):
        stems = send(instance, registered, "RT")
        assert instance.stop() == 0
    with locked(instance.data / "db" / "production.sqlite", entirely=True):
        begun = time.monotonic()
        instance.serve()
        assert time.monotonic() - begun < 40
        with pytest.raises(paramiko.SSHException) as told, Mail(instance, registered.employer):
            pass
        assert "transport shut down" in str(told.value)  # what a wrong key is told is another thing
    assert soon(lambda: gets_in(instance, registered))
    stems += send(instance, registered, "R")
    each_is_answered_once(instance, registered, stems)


def gets_in(instance: Instance, registered: Registered) -> bool:
    try:
        with Mail(instance, registered.employer):
            return True
    except paramiko.SSHException:
        return False


def test_a_start_without_a_database_makes_none(serving: Serving, registered: Registered) -> None:
    instance = serving()
    path = instance.data / "db" / "test.sqlite"
    with moved(path):
        instance.serve()
        stems = send(instance, registered, "RT")
        with Mail(instance, registered.employer) as mail:
            mail.out.wait(stems[0])
        assert not path.exists()
        said = instance.command("submission", "list")
        assert said.code == 1
        assert "put it back" in said.err
        assert not path.exists()
    each_is_answered_once(instance, registered, stems)


async def refusals_of(instance: Instance, registered: Registered, go: str) -> list[str]:
    """What a client is told that uploads a GO, and one that renames a file to it."""
    told = []
    async with asyncssh.connect(
        "127.0.0.1",
        instance.port,
        config=[],
        username=registered.employer.user,
        client_keys=[asyncssh.read_private_key(registered.employer.identity)],
        agent_path=None,
        known_hosts=([asyncssh.import_public_key(instance.host_key)], [], []),
    ) as connection:
        sftp = await connection.start_sftp_client()
        await (await sftp.open("/IN/waiting.tmp", "wb")).close()
        renaming = sftp.rename("/IN/waiting.tmp", f"/IN/{go}")
        for attempt in (sftp.open(f"/IN/{go}", "wb"), renaming):
            try:
                await attempt
            except asyncssh.SFTPError as error:
                told.append(f"{error.code} {error.reason}")
        await sftp.remove("/IN/waiting.tmp")
    return told


def test_a_go_above_the_cap_is_refused_for_now_and_taken_later(
    serving: Serving, registered: Registered
) -> None:
    """Its FI and FS are kept and not given up on; what had its OK before is sealed all the same.

    Little is done between a first file and what it waits for: the time for that runs.
    """
    instance = serving(max_waiting_sets=4, unfinished_seconds=6)
    instance.serve()
    database = instance.data / "db" / "production.sqlite"
    sealed = instance.data / "spool" / "sealed"
    stem, files = a_set()
    go = next(name for name in files if name.startswith("GO."))
    early, late_files = a_set()
    with Mail(instance, registered.employer) as mail:
        with locked(database):
            stems = send(instance, registered, "R")
            second, second_files = a_set()
            mail.put({n: b for n, b in late_files.items() if n.startswith("GO.")})
            mail.put(second_files)
            assert TOO_MANY in upload(mail, "IN", go)
            mail.put({n: b for n, b in late_files.items() if not n.startswith("GO.")})
            stems.append(second)
            assert soon(lambda: len(os.listdir(sealed)) == 3)
            mail.put({name: files[name] for name in files if name != go})
            told = asyncio.run(refusals_of(instance, registered, go))
            assert told == [f"{status} {TOO_MANY}" for status in (4, 4)]
            assert go not in mail.names("IN")
            time.sleep(9)
            assert len(os.listdir(sealed)) == 3, "what waits for a GO we refused was given up on"
        for waiting in [*stems, early]:
            mail.out.wait(waiting)
        assert soon(lambda: upload(mail, "IN", go) == OK), "they are put away after their answers"
    each_is_answered_once(instance, registered, [*stems, early, stem])
    assert instance.log.count("of sender 000001 are waiting, and there is room for 2 more") == 1
    assert instance.log.count("its GOs are refused for now") == 1
    assert instance.says("its GOs are taken again")
    [over] = [line for line in instance.log.splitlines() if "its GOs are taken again" in line]
    assert '"event": "mended"' in over


def test_a_copy_put_in_place_of_the_database_is_what_is_used(
    serving: Serving, registered: Registered
) -> None:
    """What was answered by the one moved away is nothing to it: SQLite itself would write on
    there."""
    instance = serving()
    path = instance.data / "db" / "production.sqlite"
    instance.serve()
    [first] = send(instance, registered, "R")
    with Mail(instance, registered.employer) as mail:
        mail.out.wait(first)
        assert instance.rests()
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).rename(path.with_name("away" + end))
        with closing(sqlite3.connect(path.with_name("away"))) as held:
            held.execute("VACUUM INTO ?", [str(path)])
        [second] = send(instance, registered, "R")
        mail.out.wait(second)
    found = {}
    for name in ("away", path.name):
        with closing(sqlite3.connect(path.with_name(name))) as held:
            found[name] = [row[0] for row in held.execute("SELECT stem FROM submission")]
    assert found == {"away": [first], path.name: [first, second]}
