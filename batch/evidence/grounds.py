"""By what signatures are judged: certificates, rules and sources, as a document of names.

Everything of bytes is named by its SHA-256; the bytes themselves are kept once, whoever used them.
A document can be read back into the very values the verdict was made with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from batch.evidence.canonical import Document, canonical, digest
from batch.signing.algorithms import Digest
from batch.signing.certificate import SigningCertificate, read_der
from batch.signing.policy import AdmittedKeys, SignaturePolicy
from batch.signing.revocation import Sources
from batch.signing.verification import NO_SOURCES

_CERTIFICATES = frozenset({"trust", "intermediates"})
"""The fields of the policy that are certificates."""


_LARGE = 64_000
"""Bytes. A certificate or an answer has less; a list of more is the same object at each verdict,
so that its digest is looked up and not computed again."""


class Unreadable(ValueError):
    """A document of an archive is not as this program writes it; the message says what of it."""


class MaterialKind(StrEnum):
    """What kept bytes are, in DER."""

    CERTIFICATE = "CERTIFICATE"
    CRL = "CRL"
    OCSP = "OCSP"


@dataclass(frozen=True, slots=True)
class Material:
    """Bytes that a proof names by their SHA-256."""

    kind: MaterialKind
    der: bytes

    @property
    def sha256(self) -> str:
        return digest_of(self.der)


def digest_of(der: bytes) -> str:
    """The SHA-256 of bytes that a proof may name."""
    return digest(der) if len(der) < _LARGE else _remembered(der)


@lru_cache(maxsize=64)  # the lists of a few dozen CAs
def _remembered(der: bytes) -> str:
    return digest(der)


@dataclass(frozen=True, slots=True)
class Registered:
    """A certificate that was registered for the channel, DER."""

    der: bytes


@dataclass(frozen=True, slots=True)
class Grounds:
    """By what a signature is judged at an instant: the channel's certificates, rules, sources."""

    registered: tuple[bytes, ...]
    policy: SignaturePolicy
    sources: Sources = NO_SOURCES

    @property
    def certificates(self) -> tuple[Registered, ...]:
        """Those registered, as ``verification.begin`` takes them."""
        return tuple(Registered(der) for der in self.registered)

    def materials(self) -> dict[str, Material]:
        """All the bytes the document names, by SHA-256."""
        ders = [*self.registered, *(c.der for c in _certificates(self.policy))]
        found = [Material(MaterialKind.CERTIFICATE, der) for der in ders]
        found += [Material(MaterialKind.CRL, der) for der in self.sources.crls]
        found += [Material(MaterialKind.OCSP, der) for der in self.sources.ocsp]
        return {material.sha256: material for material in found}

    def document(self) -> Document:
        """Names and rules, no bytes."""
        return {
            "registered": [digest_of(der) for der in self.registered],
            "policy": json.loads(_rules(self.policy)),
            "crls": [digest_of(der) for der in self.sources.crls],
            "ocsp": [digest_of(der) for der in self.sources.ocsp],
        }


def named(document: Document) -> dict[str, MaterialKind]:
    """The SHA-256 of every piece of bytes a document names; Unreadable when it is damaged."""
    try:
        policy = document["policy"]
        certificates = [*document["registered"], *(h for f in _CERTIFICATES for h in policy[f])]
        return {
            **dict.fromkeys(certificates, MaterialKind.CERTIFICATE),
            **dict.fromkeys(document["crls"], MaterialKind.CRL),
            **dict.fromkeys(document["ocsp"], MaterialKind.OCSP),
        }
    except (KeyError, TypeError) as error:
        raise Unreadable(f"the grounds are damaged ({error})") from None


def read(document: Document, held: Mapping[str, bytes]) -> Grounds:
    """The values a document was written from; ``held`` by SHA-256.

    Raises Unreadable when it names what is not held, or rules that this program does not know.
    """
    named(document)
    try:
        return Grounds(
            tuple(held[h] for h in document["registered"]),
            _policy(document["policy"], held),
            Sources(
                tuple(held[h] for h in document["crls"]),
                tuple(held[h] for h in document["ocsp"]),
            ),
        )
    except KeyError as error:
        raise Unreadable(f"the grounds name {error}, which is not in the archive") from None
    except (TypeError, ValueError) as error:
        raise Unreadable(f"the grounds cannot be read ({error})") from None


def _certificates(policy: SignaturePolicy) -> tuple[SigningCertificate, ...]:
    return (*policy.trust, *policy.intermediates)


@lru_cache(maxsize=16)  # the rules are the same for nearly all; as text, which nobody can change
def _rules(policy: SignaturePolicy) -> str:
    return canonical(_written(policy))


def _written(value: object) -> Any:
    """A rule in JSON's own types. A kind of rule that is not known here raises TypeError."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, SigningCertificate):
        return value.fingerprint
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(_written(item) for item in value)
    if is_dataclass(value):
        return {f.name: _written(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"a rule of the policy is a {type(value).__name__}")


def _policy(written: Document, held: Mapping[str, bytes]) -> SignaturePolicy:
    """A rule that came later than the document has its default, which is what held before it."""
    given = _known(SignaturePolicy, written)
    for name in _CERTIFICATES:
        given[name] = tuple(read_der(held[h]) for h in written[name])
    given["digests"] = frozenset(Digest(name) for name in written["digests"])
    given["usages"] = frozenset(written["usages"])
    keys = _known(AdmittedKeys, written["keys"])
    given["keys"] = AdmittedKeys(**{**keys, "curves": frozenset(keys["curves"])})
    return SignaturePolicy(**given)


def _known(kind: type[Any], written: Document) -> dict[str, Any]:
    """The fields, all of which ``kind`` has: a rule that is left out could change a verdict."""
    strange = set(written) - {f.name for f in fields(kind)}
    if strange:
        raise Unreadable(f"the rule {min(strange)} is not known: take a newer version to verify it")
    return dict(written)
