"""Tampering with an archive: by a byte, by a member, and by somebody who makes it all anew."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from batch.evidence import layout
from batch.evidence.canonical import canonical, digest
from batch.evidence.checks import Given, Outcome
from batch.evidence.judging import verify
from batch.evidence.stored import Reader, Writer
from batch.signing.certificate import read, read_all
from batch.signing.institution import make_institution
from batch.signing.signature import key_signer, load_key, sign_with
from batch.storage import evidence
from batch.storage.evidence import Target, Wanted
from tests.integration.storage.world import copied

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def archive(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Members, Given]:
    """The members of an accepted set's archive, and what an auditor brings to judge it."""
    place = tmp_path_factory.mktemp("evidence")
    with copied(template, place / "data") as world:
        stem = world.send_new()
        world.send_new()
        world.work()
        evidence.write(world.instance, Wanted(stem), Target(place / "one.zip"))
        own = read_all(world.instance.layout.institution_certificate.read_bytes())
    data = (place / "one.zip").read_bytes()
    reader = Reader(io.BytesIO(data))
    members = {name: reader.read(name, 1 << 30) for name in reader.members}
    assert zipped(members) == data
    return members, Given(own)


def zipped(members: Members) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    for name, data in members.items():
        writer.add(name, len(data), [data])
    writer.end()
    return stream.getvalue()


def indexed(members: Members) -> Members:
    """The same with an index that fits, which only the institution can sign."""
    index = json.loads(members[layout.INDEX])
    listed = [n for n in members if n not in (layout.INDEX, layout.INDEX_SIGNATURE)]
    sizes = {n: {"size": len(members[n]), "sha256": digest(members[n])} for n in listed}
    index["members"] = [{"name": name, **sizes[name]} for name in listed]
    return {**members, layout.INDEX: f"{canonical(index)}\n".encode()}


@cache
def imposter() -> tuple[bytes, bytes]:
    return make_institution("FLA batch channel", datetime(2025, 1, 1, tzinfo=UTC))


def signed_by_another(members: Members) -> Members:
    """By a key of the same name, with its certificate in the place of the institution's."""
    key, certificate = imposter()
    own = indexed({**members, layout.INSTITUTION: certificate})
    signer = key_signer(load_key(key), read(certificate))
    own[layout.INDEX_SIGNATURE] = sign_with(signer, [own[layout.INDEX]], None)
    return own


def failed(members: Members, given: Given | None = None) -> dict[str, str]:
    lines = verify(io.BytesIO(zipped(members)), given or Given())
    return {c.about: c.words for c in lines if c.outcome is Outcome.FAILED}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_changed_member_is_named_whoever_mends_the_checksums(
    archive: tuple[Members, Given],
) -> None:
    """Any byte of any member, with the ZIP made anew; and with the index made anew as well."""
    members, given = archive
    assert failed(members, given) == {}
    chance = random.Random(1)
    for name, data in members.items():
        for at in {0, len(data) - 1, *(chance.randrange(len(data)) for _ in range(6) if data)}:
            if not data:
                continue
            changed = {**members, name: flipped(data, at)}
            about = failed(changed, given)
            if name == layout.INDEX_SIGNATURE and not about:
                assert meaningless(data, at)
                continue
            assert about, (name, at)
            if name not in (layout.INDEX, layout.INDEX_SIGNATURE):
                assert set(about) == {name}, (at, about)
                assert layout.INDEX_SIGNATURE in failed(indexed(changed), given), (name, at)


def meaningless(der: bytes, at: int) -> bool:
    """1.2.840.113549.1.1.1 and .11 name the same signature: RSA, with the digest said beside."""
    return der[at - 8 : at + 1].endswith(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")


def test_a_member_more_or_less_is_named(archive: tuple[Members, Given]) -> None:
    members, given = archive
    for name in members:
        less = {n: data for n, data in members.items() if n != name}
        assert name in failed(less, given), name
    assert "extra.txt" in failed({**members, "extra.txt": b"x"}, given)
    swapped = dict(reversed(members.items()))
    assert "order" in failed(swapped, given)[layout.INDEX]


def edit(name: str, old: bytes, new: bytes) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        [own] = [n for n in members if n.startswith(name)]
        assert old in members[own], (own, old)
        return {**members, own: members[own].replace(old, new)}

    return change


def drop(start: str) -> Callable[[Members], Members]:
    return lambda members: {n: d for n, d in members.items() if not n.startswith(start)}


def other_fs(members: Members) -> Members:
    [name] = [n for n in members if "/set/FS." in n]
    der = bytearray(base64.b64decode(members[name]))
    der[-1] ^= 1
    return {**members, name: base64.b64encode(bytes(der))}


FORGED: dict[str, Callable[[Members], Members]] = {
    "another FI": edit("content-1/set/FI.", b"3800", b"3801"),
    "another FS": other_fs,
    "another verdict": edit("content-1/proofs/", b'"verdict":"signed"', b'"verdict":"refuse"'),
    "another signer": edit("content-1/proofs/", b'"signer":"', b'"signer":"CN=Me,'),
    "another instant": edit("content-1/content.json", b'"sealed_at":"20', b'"sealed_at":"19'),
    "another rule": edit("grounds/", b'"sha1":false', b'"sha1":true '),
    "no certificates": drop("material/"),
    "no links": drop("chain/"),
    "no proofs": drop("content-1/proofs/"),
    "no answers": drop("content-1/answers/"),
    "another answer": edit("content-1/answers/FO.ACRF", b"<ResultCode>1", b"<ResultCode>0"),
    "another link": edit("chain/0000000001", b'"verified"', b'"refused" '),
    "no document": edit("content-1/content.json", b"{", b"["),
    "another manifest": edit("content-1/manifest.json", b'"ordinal": 1', b'"ordinal": 2'),
    "a list for a text": edit("content-1/content.json", b'"key":"', b'"key":[],"kez":"'),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_does_not_follow_is_told_though_index_and_signature_fit(
    archive: tuple[Members, Given], what: str
) -> None:
    """By one who has the institution's key, or an auditor who brought no certificate."""
    members, given = archive
    forged = signed_by_another(FORGED[what](members))
    without = failed(forged)
    assert without, what
    assert layout.INDEX_SIGNATURE not in without
    assert layout.INDEX_SIGNATURE in failed(forged, given)
    assert all("Traceback" not in words for words in without.values())


def test_an_archive_of_another_key_is_believed_only_about_itself(
    archive: tuple[Members, Given],
) -> None:
    members, given = archive
    forged = signed_by_another(members)
    assert failed(forged) == {}
    assert set(failed(forged, given)) == {layout.INDEX_SIGNATURE}


@pytest.mark.slow
def test_no_mutation_of_its_documents_ends_in_a_crash(archive: tuple[Members, Given]) -> None:
    """Documents are hostile as well: each ends in lines, never in a trace."""
    members, given = archive
    chance = random.Random(2)
    names = [n for n in members if n.endswith((".json", ".txt", ".p7s", ".cer", ".crt"))]
    for _ in range(2000):
        name = chance.choice(names)
        data = bytearray(members[name])
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 4)] = chance.choice(
                (b"[", b"{}", b'"', b"null", b"0", b"-1", bytes([chance.randrange(256)]))
            )
        changed = {**members, name: bytes(data)}
        if changed[name] != members[name]:
            assert failed(changed, given) or name == layout.INDEX_SIGNATURE
            if name != layout.INDEX:
                failed(indexed(changed))
