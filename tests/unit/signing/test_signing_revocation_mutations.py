"""Damaged sources: never a crash, and never a revoked certificate that becomes good."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.signing.crl import read_list
from batch.signing.findings import Finding, Good, NotChecked, OutOfReach, Revoked
from batch.signing.ocsp import read_answer
from batch.signing.revocation import Sources, check
from batch.signing.sources import SourceError, read_source
from tests.unit.signing.craft import seq, tlv
from tests.unit.signing.pki import AT
from tests.unit.signing.revocations import DAY, World, response, scope, signed_with

# A name whose country has not two letters is a line on stderr to cryptography, and read.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")

EXAMPLES = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = 60_000
SOURCES: dict[str, Callable[[World], bytes]] = {
    "list": lambda w: w.crl.but(lines=[w.line]).der(),
    "indirect list": lambda w: w.crl.but(
        lines=[w.line], extensions=[scope(indirect_crl=True)]
    ).der(),
    "answer": lambda w: w.revoked.der(),
    "answer of a delegate": lambda w: (
        w.delegated().but(status=w.revoked.status, since=AT - DAY, reason=None).der()
    ),
}


def found_of(world: World, der: bytes) -> Finding:
    return check([world.leaf, world.ca], Sources((der,), (der,)), AT)[0]


def judged(world: World, der: bytes, revoked: Finding) -> None:
    """Whatever is still believed says what was signed: the same, but for bytes nobody signed."""
    found = found_of(world, der)
    assert not isinstance(found, Good)
    if isinstance(found, Revoked) and isinstance(revoked, Revoked):
        assert (found.since, found.reason) == (revoked.since, revoked.reason)
    with contextlib.suppress(SourceError):
        read_source(der)


@pytest.fixture(scope="module")
def original(world: World) -> Callable[[str], bytes]:
    made = {kind: make(world) for kind, make in SOURCES.items()}
    for der in made.values():
        assert isinstance(found_of(world, der), Revoked)
    return made.__getitem__


def mutated(der: bytes, choose: random.Random) -> bytes:
    """One to four changes: bits, bytes, lengths, pieces taken out, put in, doubled or cut off."""
    changed = bytearray(der)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(changed) or 1)
        match choose.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([choose.randrange(256)])
            case 1 if changed:
                changed[at] ^= 1 << choose.randrange(8)
            case 2:
                del changed[at : at + choose.randint(1, 8)]
            case 3:
                changed[at:at] = choose.randbytes(choose.randint(1, 8))
            case 4:
                there = choose.randrange(len(changed) or 1)
                changed[at:at] = changed[there : there + choose.randint(1, 40)]
            case 5:
                changed[at : at + 1] = choose.choice([b"\x00", b"\x7f", b"\x80", b"\xff", b"\x30"])
            case _:
                del changed[at : None if choose.random() < 0.1 else at + 1]
    return bytes(changed)


@pytest.mark.parametrize("kind", SOURCES)
@given(seed=st.integers(0, 2**64))
@EXAMPLES
def test_a_damaged_source_never_makes_good(
    kind: str, seed: int, world: World, original: Callable[[str], bytes]
) -> None:
    der = original(kind)
    judged(world, mutated(der, random.Random(seed)), found_of(world, der))


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_cut_off_anywhere_never_makes_good(
    kind: str, world: World, original: Callable[[str], bytes]
) -> None:
    der = original(kind)
    for end in range(len(der)):
        assert not isinstance(found_of(world, der[:end]), Good | Revoked)


@given(st.binary(max_size=200))
@EXAMPLES
def test_any_bytes_are_no_source(world: World, der: bytes) -> None:
    assert not isinstance(found_of(world, der), Good | Revoked)


def signed_anew(world: World, choose: random.Random) -> bytes:
    """What the CA itself signed with something wrong in it: it gets past the signature."""
    kind = choose.choice(["list", "indirect list", "answer"])
    key = world.pki.ca_key
    der = SOURCES[kind](world)
    if kind == "answer":
        data = ocsp.load_der_ocsp_response(der).tbs_response_bytes
        return response(key, "sha256", mutated(data, choose))
    data = mutated(x509.load_der_x509_crl(der).tbs_certlist_bytes, choose)
    named, signature = signed_with(key, "sha256", data)
    return seq(data, named, tlv(0x03, b"\x00", signature))


@given(seed=st.integers(0, 2**64))
@EXAMPLES
def test_what_a_ca_signs_damaged_stops_nothing(world: World, seed: int) -> None:
    found_of(world, signed_anew(world, random.Random(seed)))


@pytest.mark.slow
def test_much_that_a_ca_signs_damaged_stops_nothing(world: World) -> None:
    choose, ends = random.Random("signed anew"), set()
    for _ in range(MANY // 4):
        ends.add(type(found_of(world, signed_anew(world, choose))))
    assert ends == {Good, Revoked, OutOfReach, NotChecked}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_many_damaged_sources_never_make_good(
    kind: str, world: World, original: Callable[[str], bytes]
) -> None:
    der, choose = original(kind), random.Random(f"revocation {kind}")
    revoked, read = found_of(world, der), 0
    for _ in range(MANY):
        changed = mutated(der, choose)
        judged(world, changed, revoked)
        read += read_list(changed) is not None or read_answer(changed) is not None
    assert read > MANY / 20, "too few are read at all: the changes are too coarse to show anything"
