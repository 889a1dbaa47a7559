"""What docs/clients.md says of each client is so: its lines are typed here as they stand there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Outbox
from tests.acceptance.clients import Mail, new_stem, run
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.desk import Desk, relay
from tests.acceptance.instance import Instance, Sender, soon
from tests.acceptance.page import clients
from tests.declarations import declaration, person, right

SSH2 = ".venv/node/node_modules/ssh2-sftp-client"
NEEDS = {
    "OpenSSH sftp": ("sftp",),
    "OpenSSH scp": ("scp",),
    "PuTTY psftp": ("psftp", "puttygen"),
    "lftp": ("lftp", "ssh"),
    "curl": ("curl",),
    "rclone": ("rclone",),
    "sshfs": ("sshfs", "fusermount3", "/dev/fuse"),
    "paramiko": (),
    "asyncssh": (),
    "ssh2-sftp-client": ("node", SSH2),
    "JSch 0.1": ("java", "javac", "/usr/share/java/jsch.jar"),
}
"""What each client's lines cannot do without, besides what all need."""

EVERYWHERE = ("bash", "sed", "ssh-keygen")
OLD = "JSch 0.1"
MEGABYTE = 1_000_000
_PERSONS = itertools.count(810_000)


def padded(size: int) -> bytes:
    """An FI of one right, about ``size`` bytes long: the rest are comments."""
    number = next(_PERSONS)
    line = f"<!-- {'padding ' * 1000}-->\n"
    form = right(f"R/clients/{number}", inss=person(number))
    return declaration(line * (size // len(line)), form)


def a_set(stem: str, size: int = 0) -> dict[str, bytes]:
    """What a sender has made; the page's lines make the GO."""
    fi = padded(size)
    return {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs(fi)}


def is_accepted(mail: Mail, stem: str) -> None:
    """One positive ACRF, and a NOTI whose one form was accepted."""
    outbox = Outbox(mail, "OUT")
    outbox.wait(stem, seconds=120)
    assert [form.result for form in outbox.judged(stem)] == ["1"]


# --- the checks, one for each column ----------------------------------------------------------


def send_fetch_delete(desk: Desk, said: dict[str, str]) -> None:
    """A set goes up, is answered, and its answers come down and go; GO is empty both ways.

    On the next day as well, and when somebody else removed one of the answers meanwhile.
    """
    assert said["send"] == said["fetch"] == "yes"
    a_day(desk, said)
    (desk.home / "answers" / "FO.gone").touch()
    a_day(desk, said)


def a_day(desk: Desk, said: dict[str, str]) -> None:
    stem = new_stem(desk.sender.number)
    desk.lay(a_set(stem))
    desk.type("send", stem)
    with desk.mail() as mail:
        is_accepted(mail, stem)
        desk.type("fetch")
        there = desk.outbox()
        assert there.items() <= desk.answers.items()
        assert sorted(len(content) for content in there.values())[:2] == [0, 0]
        if said["delete"] == "yes":
            desk.type("delete")
            assert desk.answers == {}
        else:
            mail.remove("OUT", there)
    assert desk.outbox() == {}


def temporary_name(desk: Desk, _said: str) -> None:
    name, fi = f"FI.{new_stem(desk.sender.number)}.1.1", padded(100_000)
    desk.lay({name: fi})
    desk.type("temporary name", name[3:-4])
    assert soon(lambda: desk.inbox(name).exists() and desk.inbox(name).read_bytes() == fi)
    listed = [path.name for path in desk.inbox(name).parent.iterdir()]
    assert [found for found in listed if found.startswith(name)] == [name]


def resume(desk: Desk, _said: str) -> None:
    """What is there already is not sent again."""
    name, fi = f"FI.{new_stem(desk.sender.number)}.1.1", padded(3 * MEGABYTE)
    desk.lay({name: fi})
    with desk.mail() as mail:
        mail.put({name: fi[: 2 * MEGABYTE]})
    with relay(desk.instance.port) as line:
        desk.type("resume", name[3:-4], line.port)
        assert len(fi) - 2 * MEGABYTE < line.up < 2 * MEGABYTE
    assert soon(lambda: desk.inbox(name).read_bytes() == fi)  # sshfs waits for no CLOSE


def listing(desk: Desk, _said: str) -> None:
    """Each name stands in a line with its size in bytes, an empty file's too."""
    stem = new_stem(desk.sender.number)
    files = {f"FI.{stem}.1.1": padded(123_456), f"FS.{stem}.1.1": b""}
    with desk.mail() as mail:
        mail.put(files)
        lines = [line.split() for line in desk.type("list").splitlines()]
        mail.remove("IN", files)
    for name, content in files.items():
        [words] = [w for w in lines if any(word.rpartition("/")[2] == name for word in w)]
        assert str(len(content)) in words


def after_a_cut(desk: Desk, said: str) -> None:
    """A line that breaks leaves nothing behind; the client sends again, or is told to."""
    stem = new_stem(desk.sender.number)
    desk.lay(a_set(stem, 3 * MEGABYTE))
    with relay(desk.instance.port, cut=MEGABYTE) as line:
        ended = desk.attempt("send", stem, line.port)
        assert line.cut is None
    assert (ended.returncode == 0) == (said == "by itself"), ended.stderr
    with desk.mail() as mail:
        if said == "again":
            assert not desk.inbox(f"FI.{stem}.1.1").exists()
            desk.type("send", stem)
        is_accepted(mail, stem)


def a_refused_go(desk: Desk, said: str) -> None:
    """No file gets its name for a while: only a CLOSE fails. Not every client listens."""
    stem = new_stem(desk.sender.number)
    desk.lay(a_set(stem))
    up = desk.instance.data / "spool" / "up"
    aside = up.with_name("up-aside")
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:  # another file system: no renames
        up.rename(aside)
        up.symlink_to(elsewhere)
        ended = desk.attempt("send", stem)
        up.unlink()
        aside.rename(up)
    assert (ended.returncode != 0) == (said == "told"), ended.stderr
    with desk.mail() as mail:
        assert not any(stem in name for name in mail.names("IN"))
    desk.type("send", stem)
    with desk.mail() as mail:
        is_accepted(mail, stem)


def an_empty_outbox(desk: Desk, said: str) -> None:
    with desk.mail() as mail:
        mail.remove("OUT", mail.names("OUT"))
    ended = desk.attempt("fetch", "")
    assert (ended.returncode != 0) == (said == "error"), ended
    assert desk.answers == {}


def hundred_megabytes(desk: Desk, _said: str) -> None:
    """Up, really judged; and as much comes down."""
    stem, big = new_stem(desk.sender.number), 100 * MEGABYTE
    desk.lay(a_set(stem, big))
    desk.type("send", stem)
    with desk.mail() as mail:
        is_accepted(mail, stem)
        mail.remove("OUT", mail.names("OUT"))
    name, content = "FO.NOTI.999999.20260101.00001.R.1.1", padded(big)
    (desk.instance.folder(desk.sender.number, "OUT") / name).write_bytes(content)
    desk.type("fetch")
    assert desk.answers == {name: content}
    with desk.mail() as mail:
        mail.remove("OUT", [name])


DAY = ("send", "fetch", "delete")
OTHERS = {"OpenSSH scp": {"refused"}, OLD: {"key", "rsa key"}}
"""Blocks that have a test of their own."""

CHECKS: dict[str, Callable[[Desk, str], None]] = {
    "temporary name": temporary_name,
    "resume": resume,
    "list": listing,
    "after a cut": after_a_cut,
    "refused GO": a_refused_go,
    "100 MB": hundred_megabytes,
    "empty OUT": an_empty_outbox,
}


def _client(name: str) -> pytest.ParameterSet:
    needed = (*EVERYWHERE, *NEEDS[name])
    return pytest.param(name, marks=pytest.mark.needs(*needed), id=name.replace(" ", "-"))


each_client = pytest.mark.parametrize("client", [_client(name) for name in NEEDS])


@pytest.fixture(scope="module")
def served(serving: Serving) -> Instance:
    instance = serving()
    instance.serve()
    return instance


def key_of(title: str, home: Path) -> Path:
    """The login key that the page has JSch's users make; its public half is beside it."""
    home.mkdir()
    run("bash", "-e", "-c", clients().blocks[OLD][title], cwd=home)
    return home / "login"


@pytest.fixture(scope="module")
def aged(
    serving: Serving, registered: Registered, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Instance, Sender]:
    """An instance with the legacy setting, and a sender with a key of the old client."""
    instance, employer = serving(legacy=True), registered.employer
    login = key_of("key", tmp_path_factory.mktemp("keys") / "new")
    instance.command("channel", "ssh-key", employer.number, f"{login}.pub").done()
    instance.serve()
    return instance, replace(employer, identity=login)


@pytest.fixture
def desk(
    client: str, registered: Registered, tmp_path: Path, request: pytest.FixtureRequest
) -> Desk:
    """A new folder for the client, at the instance that it can speak to."""
    if client == OLD:
        instance, sender = request.getfixturevalue("aged")
    else:
        instance, sender = request.getfixturevalue("served"), registered.employer
    return Desk.furnish(instance, sender, client, tmp_path)


# --- the matrix -------------------------------------------------------------------------------


@each_client
def test_a_set_is_sent_and_its_answers_are_fetched_and_deleted(desk: Desk) -> None:
    send_fetch_delete(desk, clients().table[desk.client])


@each_client
@pytest.mark.parametrize(
    "column",
    [pytest.param(c, marks=[pytest.mark.slow] if c == "100 MB" else []) for c in CHECKS],
)
def test_a_client_does_what_its_row_says(desk: Desk, column: str) -> None:
    said = clients().table[desk.client].get(column, "x")
    if said == "no":
        assert column not in clients().blocks[desk.client]
    else:
        CHECKS[column](desk, said)


def test_the_page_holds_what_is_tested_and_no_more() -> None:
    """Every client, every column, and every block of lines has its test."""
    page = clients()
    assert set(page.table) == set(NEEDS)
    words = {
        "100 MB": {"yes"},
        "after a cut": {"again", "by itself"},
        "refused GO": {"told", "silent"},
        "empty OUT": {"error", "quiet"},
    }
    titles = {*DAY, *CHECKS} - set(words)
    for name, row in page.table.items():
        assert set(row) == {*DAY, *CHECKS}
        assert page.anchors[name] == name.lower().replace(" ", "-").replace(".", "")
        done = {title for title in titles if row[title] == "yes"}
        assert done | {t for t in titles if row[t] == "no"} == titles, name
        assert set(page.blocks[name]) - {"first"} - OTHERS.get(name, set()) == done, name
        assert all(row[column] in known for column, known in words.items()), name


# --- what has no column -----------------------------------------------------------------------


@pytest.mark.needs(*EVERYWHERE, *NEEDS["OpenSSH scp"])
def test_scp_of_old_is_refused_and_told_and_logged(
    served: Instance, registered: Registered, tmp_path: Path
) -> None:
    """The protocol before OpenSSH 9 runs a program here; there is none to run."""
    stem = new_stem(registered.employer.number)
    desk = Desk.furnish(served, registered.employer, "OpenSSH scp", tmp_path)
    desk.lay(a_set(stem))
    ended = desk.attempt("refused", stem)
    assert (ended.returncode, "exec request failed" in ended.stderr) == (1, True), ended
    assert served.says('"what": "exec scp -t IN/"')
    assert not desk.inbox(f"FI.{stem}.1.1").exists()


@pytest.mark.needs(*EVERYWHERE, *NEEDS[OLD])
def test_an_old_client_does_not_come_in_by_default(
    served: Instance, registered: Registered, tmp_path: Path
) -> None:
    sender = replace(registered.employer, identity=key_of("key", tmp_path / "keys"))
    ended = Desk.furnish(served, sender, OLD, tmp_path).attempt("list", "")
    assert (ended.returncode, "Algorithm negotiation fail" in ended.stderr) == (1, True), ended


@pytest.mark.needs(*EVERYWHERE, *NEEDS[OLD])
def test_an_old_client_with_an_rsa_key_needs_the_switch_of_its_channel(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    """The setting of the instance is not enough; the switch is off by default, and told."""
    login, number = key_of("rsa key", tmp_path / "keys"), registered.employer.number
    instance = serving(legacy=True)
    instance.command("channel", "ssh-key", number, f"{login}.pub").done()
    instance.serve()
    (tmp_path / "desk").mkdir()
    sender = replace(registered.employer, identity=login)
    desk = Desk.furnish(instance, sender, OLD, tmp_path / "desk")
    refused = desk.attempt("list", "")
    assert (refused.returncode, "Auth fail" in refused.stderr) == (1, True), refused
    assert "SHA-1" not in instance.log
    instance.command("channel", "legacy", number, "on").done()
    desk.type("list")
    assert instance.says("SHA-1")
