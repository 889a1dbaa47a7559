"""What revocation costs a verdict: a list of 5 MB is read, verified and searched once."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from batch.signing import crl
from batch.signing.findings import Good, Revoked
from batch.signing.revocation import check
from tests.unit.signing.craft import ECDSA_SHA256, integer, oid, seq, tlv
from tests.unit.signing.pki import AT
from tests.unit.signing.revocations import DAY, SECOND, World

ENTRIES = 105_000
GOAL = 0.0001
"""Seconds of CPU for a chain of three, once the lists were read."""


@pytest.fixture(scope="module")
def large(world: World) -> bytes:
    """By hand, as the builder of cryptography takes minutes; ``other`` stands in the middle."""
    key = world.pki.ca_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    reason = seq(seq(oid("2.5.29.21"), tlv(0x04, tlv(0x0A, b"\x01"))))
    since = utc_time(-DAY.days)
    lines = [seq(integer((1 << 118) + n), since, reason) for n in range(ENTRIES)]
    lines[ENTRIES // 2] = seq(integer(world.pki.other.serial), since, reason)
    named = seq(oid(ECDSA_SHA256))
    name = world.ca.loaded.subject.public_bytes()
    inside = seq(integer(1), named, name, utc_time(-1), utc_time(1), seq(*lines))
    signature = key.sign(inside, ec.ECDSA(hashes.SHA256()))
    return seq(inside, named, tlv(0x03, b"\x00", signature))


def utc_time(days: int) -> bytes:
    return tlv(0x17, (AT + days * DAY).strftime("%y%m%d%H%M%SZ").encode())


def test_a_list_of_five_megabytes_costs_a_verdict_next_to_nothing(
    world: World, large: bytes
) -> None:
    assert len(large) > 5_000_000
    sources = world.sources(large)
    assert [type(found) for found in check(world.chain, sources, AT)] == [Good, Good]
    spent = []
    for _ in range(300):
        start = time.process_time()
        check(world.chain, sources, AT)
        spent.append(time.process_time() - start)
    assert min(spent) < GOAL, "the least of many: what else runs here only adds to it"


def test_the_same_certificate_in_another_list_is_looked_up_anew(world: World, large: bytes) -> None:
    chain = [world.pki.other, world.ca, world.root]
    assert isinstance(check(chain, world.sources(large), AT)[0], Revoked)
    newer = world.crl.but(made=AT - SECOND).der()
    assert isinstance(check(chain, world.sources(newer), AT)[0], Good)


def test_lists_are_kept_up_to_a_limit_in_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was used last stays; what is read again is another object, and says the same."""
    lists = [world.crl.but(made=AT - n * SECOND).der() for n in range(5)]
    monkeypatch.setattr(crl, "_KEPT_BYTES", 2 * len(lists[0]) + 10)
    shelf = crl._Shelf()
    first = shelf.read(lists[0])
    assert shelf.read(lists[0]) is first
    shelf.read(lists[1])
    shelf.read(lists[0])
    shelf.read(lists[2])
    assert shelf.read(lists[0]) is first
    for der in lists:
        shelf.read(der)
    again = shelf.read(lists[0])
    assert again is not first
    assert again is not None
    assert first is not None
    assert again.evidence == first.evidence
