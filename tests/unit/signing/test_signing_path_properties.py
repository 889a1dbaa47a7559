"""What holds of every path: it needs each of its CAs, and their order is of no account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.signing.certificate import SigningCertificate, key_usage
from batch.signing.path import NotTrusted, Trusted, certification_path
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause
from tests.unit.signing.pki import AT, Template, common_name

SIGNS = key_usage("key_cert_sign")


@dataclass(frozen=True)
class Ladder:
    """A root, CAs one below the other, a leaf under the last; and CAs that are in no path."""

    root: SigningCertificate
    rungs: tuple[SigningCertificate, ...]
    leaf: SigningCertificate
    strangers: tuple[SigningCertificate, ...]

    @property
    def chain(self) -> tuple[SigningCertificate, ...]:
        return (self.leaf, *reversed(self.rungs), self.root)


@cache
def ladder(rungs: int) -> Ladder:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(rungs + 3)]
    names = [common_name(f"CA {number}") for number in range(rungs + 1)]

    def issued(subject: int, issuer: int, key: int) -> SigningCertificate:
        by = (names[issuer], keys[issuer])
        return Template(names[subject], keys[key], *by, key_usage=SIGNS, ca=True).issue()

    root = issued(0, 0, 0)
    between = tuple(issued(n, n - 1, n) for n in range(1, rungs + 1))
    leaf = Template(common_name("Signer"), keys[-1], names[-1], keys[rungs]).issue()
    # The same names with another key; and circles: CAs further down that vouch for one above them.
    strangers = tuple(
        Template(name, keys[-2], name, keys[-2], key_usage=SIGNS, ca=True).issue() for name in names
    )
    circles = tuple(issued(n, rungs, n) for n in range(1, rungs))
    return Ladder(root, between, leaf, (*strangers, *circles))


ladders = st.integers(1, 5).map(ladder)


def found(known: list[SigningCertificate], made: Ladder) -> Trusted | NotTrusted:
    return certification_path(made.leaf, SignaturePolicy((made.root,)), AT, known)


@settings(max_examples=40, deadline=None)
@given(ladders, st.data())
def test_the_order_of_the_candidates_does_not_matter(made: Ladder, data: st.DataObject) -> None:
    known = data.draw(st.permutations([*made.rungs, *made.strangers]))
    assert found(known, made) == Trusted(made.chain)


@settings(max_examples=40, deadline=None)
@given(ladders, st.data())
def test_a_path_found_holds_alone_and_falls_without_any_one_of_its_cas(
    made: Ladder, data: st.DataObject
) -> None:
    whole = found(list(made.rungs), made)
    assert isinstance(whole, Trusted)
    needed = list(whole.chain[1:-1])
    assert found(needed, made) == whole
    lost = data.draw(st.sampled_from(needed))
    rest = [c for c in needed if c is not lost]
    broken = found([*rest, *made.strangers[: len(made.rungs) + 1]], made)
    assert isinstance(broken, NotTrusted)
    assert broken.cause in (Cause.ISSUER_UNKNOWN, Cause.ISSUER_SIGNATURE)
