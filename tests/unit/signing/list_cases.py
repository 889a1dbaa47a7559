"""A table of revocation lists: what the tests of lists share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from batch.signing.certificate import SigningCertificate, key_usage
from batch.signing.findings import Finding, Good, Revoked
from batch.signing.revocation import Sources, check
from tests.unit.signing.pki import AT, Template
from tests.unit.signing.revocations import (
    CA,
    DAY,
    OTHER_CA,
    ROOT,
    Extension,
    Line,
    ListRecipe,
    World,
    directory,
    point,
    scope,
)

NUMBER: Extension = (x509.CRLNumber(5), False)
ODD: Extension = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
HARMLESS: Extension = (ODD[0], False)


@dataclass(frozen=True)
class Case:
    """Lists, and the certificate they are asked about (the world's leaf unless told)."""

    crls: list[bytes]
    leaf: SigningCertificate | None = None
    ca: SigningCertificate | None = None
    authorities: tuple[SigningCertificate, ...] = ()


Maker = Callable[[World], Case | bytes]


@dataclass(frozen=True)
class Table:
    """Each case by how it must end."""

    ends_good: list[tuple[str, Maker]] = field(default_factory=list)
    ends_revoked: list[tuple[str, Maker]] = field(default_factory=list)
    ends_unknown: list[tuple[str, str, Maker]] = field(default_factory=list)

    def good(self, name: str, make: Maker) -> None:
        self.ends_good.append((name, make))

    def revoked(self, name: str, make: Maker) -> None:
        self.ends_revoked.append((name, make))

    def unknown(self, name: str, words: str, make: Maker) -> None:
        """``words`` are part of what a person reads."""
        self.ends_unknown.append((name, words, make))


def found_of(world: World, made: Case | bytes) -> Finding:
    case = Case([made]) if isinstance(made, bytes) else made
    chain = [case.leaf or world.leaf, case.ca or world.ca, world.root]
    sources = Sources((*case.crls, world.root_list))
    return check(chain, sources, AT, case.authorities)[0]


def found_again(world: World, made: Case | bytes, found: Good | Revoked) -> Finding:
    """By the sources that the finding names alone: what an auditor has later."""
    case = Case([made]) if isinstance(made, bytes) else made
    chain = [case.leaf or world.leaf, case.ca or world.ca, world.root]
    every = (*case.crls, world.root_list)
    named = [der for der in every if hashlib.sha256(der).hexdigest() in found.evidence.every]
    return check(chain, Sources(tuple(named)), AT, case.authorities)[0]


def lines(world: World, **odd: object) -> list[Line]:
    return [replace(world.line, **odd)]  # type: ignore[arg-type]


def ca_of(world: World, **odd: object) -> SigningCertificate:
    plain = Template(CA, world.pki.ca_key, ROOT, world.root_key, ca=True)
    return replace(plain, **odd).issue()  # type: ignore[arg-type]


def serial_of(world: World) -> bytes:
    serial = world.leaf.serial
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big").lstrip(b"\x00")


def by_rsa(world: World, pss: padding.PSS | None = None) -> Case:
    """The CA has an RSA key."""
    key = world.pki.rsa_key
    made = world.crl.but(key=key, pss=pss)
    return Case([made.der()], world.pki.issued(issuer_key=key), ca_of(world, key=key))


def indirect(world: World, issuer: x509.Name) -> bytes:
    """The leaf's serial number follows an entry that names ``issuer``; that still holds for it."""
    first = Line(1, extra=[(x509.CertificateIssuer(directory(issuer)), True)])
    made = world.crl.but(extensions=[scope(indirect_crl=True)])
    return made.but(lines=[first, world.line]).der()


def elsewhere(world: World, lines: list[Line], **odd: object) -> Case:
    """The leaf names another issuer of lists, which the root certified for that."""
    leaf = world.with_points(point(crl_issuer=OTHER_CA), serial=world.leaf.serial)
    other = Template(
        OTHER_CA, world.pki.ec_key, ROOT, world.root_key, key_usage=key_usage("crl_sign")
    ).issue()
    made = world.crl.but(issuer=OTHER_CA, key=world.pki.ec_key, lines=lines)
    made = made.but(**{"extensions": [scope(indirect_crl=True)], **odd})
    return Case([made.der()], leaf, authorities=(other,))


def separate(
    world: World, then: Callable[[SigningCertificate], list[bytes]] = lambda c: [], **odd: object
) -> Case:
    """The CA signs its lists by a key of its own, in a certificate that the root made for it."""
    key = odd.get("key", world.pki.ec_key)
    plain: dict[str, object] = {"key_usage": key_usage("crl_sign")}
    template = Template(CA, world.pki.ec_key, ROOT, world.root_key)
    signer = replace(template, **{**plain, **odd}).issue()  # type: ignore[arg-type]
    return Case([world.crl.but(key=key).der(), *then(signer)], authorities=(signer,))


def identified(world: World) -> Case:
    """The same, and the list says by which key it is."""
    key = x509.AuthorityKeyIdentifier.from_issuer_public_key(world.pki.ec_key.public_key())
    made = world.crl.but(key=world.pki.ec_key, extensions=[(key, False)])
    return replace(separate(world), crls=[made.der()])


def own_key(world: World) -> Extension:
    """The identifier of the CA's key."""
    key = world.pki.ca_key.public_key()
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False


def base(world: World) -> ListRecipe:
    """It says that there are deltas; else openssl does not look for them."""
    freshest = (x509.FreshestCRL([point("http://crl.example/delta.crl")]), False)
    return world.crl.but(extensions=[NUMBER, freshest], made=AT - 2 * DAY)


def delta(world: World, start: int = 5, extra: Sequence[Extension] = ()) -> ListRecipe:
    mark = (x509.DeltaCRLIndicator(start), True)
    return world.crl.but(extensions=[(x509.CRLNumber(7), False), mark, *extra])
