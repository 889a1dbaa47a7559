"""Answers that come back, that others give, and that leave OUT: by the command and by SFTP."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import BASE64_LINE
from tests.acceptance.clients import Mail, OpenSsl, named, new_stem, run
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Instance, Sender
from tests.declarations import declaration, person, right, rights

NOTICE = b"<DimonaNotification/>\n" * 10


@pytest.fixture(scope="module")
def instance(serving: Serving) -> Instance:
    made = serving()
    made.serve()
    return made


@pytest.fixture
def mail(instance: Instance, registered: Registered) -> Iterator[Mail]:
    with Mail(instance, registered.employer) as opened:
        yield opened


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def until_listed(mail: Mail, folder: str, names: Iterable[str]) -> None:
    until(lambda: set(names) <= set(mail.names(folder)))


def answered(mail: Mail, sender: Sender, number: int) -> tuple[str, dict[str, bytes]]:
    """A set of one form, and the six files of its answers."""
    stem = new_stem(sender.number)
    fi = declaration(right(f"A/{number}", inss=person(740_000 + number)))
    mail.put(named(stem, (fi, fs(fi))))
    receipt, notice = mail.out.verdict(stem)
    assert notice is not None
    return stem, mail.fetch("OUT", triple(receipt.name) + triple(notice.name))


def triple(data: str) -> list[str]:
    return [data, f"FS{data[2:]}", f"GO{data[2:-2]}"]


@pytest.mark.parametrize("command", [("answer", "redeliver"), ("submission", "resend")])
def test_deleted_answers_are_put_back_byte_for_byte(
    instance: Instance, registered: Registered, mail: Mail, command: tuple[str, str]
) -> None:
    """One by its sender, one by another tool on the disk; `serve` runs all the while."""
    sender = registered.employer
    stem, files = answered(mail, sender, 1 + len(command[0]))
    for number, name in enumerate(files):
        if number % 2:
            mail.remove("OUT", [name])
        else:
            (instance.folder(sender.number, "OUT") / name).unlink()
    said = instance.json(*command, stem)
    assert sorted(f"FO.{name}.1.1" for name in said["redelivered"]) == sorted(
        name for name in files if name.startswith("FO.")
    )
    until_listed(mail, "OUT", files)
    assert mail.fetch("OUT", files) == files
    shown = instance.json("submission", "show", stem)
    asked = [e for e in shown["events"] if e["what"] == "redelivery asked"]
    assert len(asked) == 2
    assert all(e["detail"].endswith(f" by {said['asked_by']}") for e in asked)
    until(lambda: stem in str([x for x in instance.log.splitlines() if '"redelivering"' in x]))
    until(lambda: len(_kept(instance, stem)) == len(shown["answers"]))
    assert all(until > shown_at for shown_at, until in _kept(instance, stem))


def _kept(instance: Instance, stem: str) -> list[tuple[str, str]]:
    """When each of a set's answers was shown, and how long it stays, of those that are recorded."""
    shown = instance.json("submission", "show", stem)
    return [(a["shown_at"], a["kept_until"]) for a in shown["answers"] if a["shown_at"]]


def test_what_cannot_be_put_back_is_refused_with_the_reason(
    instance: Instance, registered: Registered, mail: Mail
) -> None:
    stem = new_stem(registered.employer.number)  # of the employer, and others send it too
    fi = declaration(right("A/ambiguous", inss=person(741_000)))
    mail.put(named(stem, (fi, fs(fi))))
    mail.put(named(stem, (fi, fs(fi))), "INTEST")
    mail.out.wait(stem)
    mail.outtest.wait(stem)
    with Mail(instance, registered.mandatary) as other:
        other.put(named(stem, (fi, fs(fi))))
        other.out.wait(stem)
    unknown, many, one = instance.commands(
        ["answer", "redeliver", f"{stem[:-1]}X"],
        ["answer", "redeliver", stem],
        ["answer", "redeliver", stem, "--sender", "000001", "--folder", "IN", "--json"],
    )
    assert (unknown.code, many.code) == (1, 1)
    assert "no set of this stem" in unknown.err
    assert "000001 to IN and 000002 to IN and 000001 to INTEST" in many.err
    assert "--sender" in many.err
    assert len(one.done().document["redelivered"]) == 2


def test_a_posted_answer_comes_once_with_the_channel_running_or_not(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    instance, sender = serving(), registered.employer
    (tmp_path / "notice.xml").write_bytes(NOTICE)
    post = [
        *("answer", "post", tmp_path / "notice.xml", "--sender", sender.number),
        *("--code", "DMNO", "--reference", "their 1", "--json"),
    ]
    first = instance.command(*post).done().document
    assert first["state"] == "waiting"
    instance.serve()
    second = instance.command(*post, "--environment", "T").done().document
    names = {"OUT": first["name"], "OUTTEST": second["name"]}
    with Mail(instance, sender) as mail:
        for folder, name in names.items():
            until_listed(mail, folder, triple(name))
            held = mail.fetch(folder, mail.names(folder))
            assert sorted(held) == sorted(triple(name))
            assert held[name] == NOTICE
            assert BASE64_LINE.fullmatch(held[f"FS{name[2:]}"])
        until(lambda: instance.command(*post).done().document == {**first, "state": "shown"})
        (tmp_path / "notice.xml").write_bytes(NOTICE + b" ")
        other = instance.command(*post)
        assert other.code == 1
        assert "another content" in other.err
        mail.remove("OUT", triple(first["name"]))
        assert len(instance.json("answer", "redeliver", first["name"])["redelivered"]) == 1
        until_listed(mail, "OUT", triple(first["name"]))
    listed = instance.json("answer", "list", "--sender", sender.number)
    assert [(d["name"], d["reference"], d["about"]) for d in listed] == [
        (second["name"], "their 1", None),
        (first["name"], "their 1", None),
    ]


@pytest.mark.slow
def test_answers_leave_out_when_their_days_are_over_and_what_others_put_there_stays(
    serving: Serving, registered: Registered
) -> None:
    """12 seconds are a small part of a day, and enough for a slow client to see them; a sender may
    read and delete what others put there."""
    instance, sender = serving(answers_kept_days=12 / 86_400), registered.employer
    instance.serve()
    with Mail(instance, sender) as mail:
        foreign = {"FO.IDFL.999999.20200101.00001.R.1.1": b"other", "note.txt": b"hello"}
        for name, content in foreign.items():
            (instance.folder(sender.number, "OUT") / name).write_bytes(content)
        stem = new_stem(sender.number)
        fi = declaration(right("A/leaves", inss=person(743_000)))
        mail.put(named(stem, (fi, fs(fi))))
        until(lambda: sum(n.startswith("GO.NOTI") for n in mail.names("OUT")) == 1)
        until(lambda: set(mail.names("OUT")) == set(foreign))
        assert instance.says('"withdrawn"')
        assert mail.fetch("OUT", foreign) == foreign
        instance.json("answer", "redeliver", stem)
        until(lambda: len(mail.names("OUT")) == 8)
        until(lambda: set(mail.names("OUT")) == set(foreign))
        mail.remove("OUT", foreign)
        assert mail.names("OUT") == []


@pytest.mark.needs("openssl", "base64")
def test_send_and_wait_understands_an_answer_that_is_a_zip(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    """And openssl proves it, over the bytes of the ZIP."""
    instance, sender = serving(max_answer_bytes=1000), registered.employer
    instance.serve()
    fi = tmp_path / f"FI.{new_stem(sender.number)}.1.1"
    fi.write_bytes(rights(3, prefix="A/zip"))
    (tmp_path / "host.pub").write_text(instance.host_key)
    said = instance.command(
        *("send", fi, "--host", "127.0.0.1", "--port", instance.port, "--user", sender.user),
        *("--identity", sender.identity, "--host-key", tmp_path / "host.pub"),
        *("--key", sender.key, "--certificate", sender.certificate),
        *("--institution", instance.institution, "--answers", tmp_path / "answers"),
        *("--wait", "--timeout", 60, "--json"),
    )
    (sent,) = said.done().document["sets"]
    assert sent["verdict"] == "accepted"
    assert sent["notice"]["answer"].startswith("CO.NOTI.")
    co = tmp_path / "answers" / sent["notice"]["answer"]
    with zipfile.ZipFile(co) as archive:
        assert archive.namelist() == [f"F{co.name[1:]}"]
        assert archive.testzip() is None
    proved(tmp_path, co.read_bytes(), co.with_name(f"FS{co.name[2:]}"), instance.institution)


def proved(home: Path, data: bytes, signature: Path, institution: Path) -> None:
    """``openssl cms -verify`` says so."""
    (home / "data").write_bytes(data)
    run("sh", "-ec", f"base64 -d {signature} > FS.der", cwd=home)
    run(
        *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der"),
        *("-content", "data", "-CAfile", institution, "-out", "verified"),
        cwd=home,
    )
    assert (home / "verified").read_bytes() == data


FORMS = 60_000
"""A NOTI of so many has more than 50 MB."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("openssl", "base64")
def test_above_fifty_megabytes_the_default_limit_makes_a_zip(
    serving: Serving, registered: Registered, tmp_path: Path
) -> None:
    instance, sender = serving(), registered.employer
    instance.serve()
    fi = rights(FORMS, prefix="A/large")
    stem = new_stem(sender.number)
    with Mail(instance, sender) as mail:
        mail.put(named(stem, (fi, fs(fi))))
        receipt, notice = mail.out.wait(stem, count=2, seconds=900)
    assert receipt.name.startswith("FO.ACRF.")
    assert notice.name.startswith("CO.NOTI.")
    with zipfile.ZipFile(io.BytesIO(notice.sent)) as archive:
        (member,) = archive.infolist()
        assert member.filename == f"F{notice.name[1:]}"
        assert member.file_size > 50_000_000
        assert archive.testzip() is None
    assert [form.result for form in notice.forms] == ["1"] * FORMS
    OpenSsl(tmp_path).verify(notice, instance.institution)
