"""The registered certificates as they stand: the paths they have, and what is not known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography.x509 import load_der_x509_crl
from sqlalchemy import Connection

from batch.errors import OperatorError
from batch.registers import Channel
from batch.signing.certificate import SigningCertificate, read_der
from batch.signing.findings import OutOfReach, Revoked
from batch.signing.path import Trusted as Path
from batch.signing.path import judge_certificate
from batch.signing.policy import SignaturePolicy
from batch.signing.revocation import check
from batch.storage.register_files import Trusted, TrustKind
from batch.storage.registers import Registers
from batch.storage.revocations import SourceShelf


def policy_of(trust: Sequence[Trusted]) -> SignaturePolicy:
    """The rules with this trust. NoTrust when there is no CA in it."""
    ders = {kind: [e.der for e in trust if e.kind is kind] for kind in TrustKind}
    return SignaturePolicy.trusting(ders[TrustKind.CERTIFICATE], ders[TrustKind.INTERMEDIATE])


def paths(
    channel: Channel, policy: SignaturePolicy, at: datetime
) -> Iterator[tuple[SigningCertificate, ...]]:
    """For each certificate that ``channel`` uses now or later, the path to its anchor.

    One that has no path, at the instant when it begins or now, stands alone.
    """
    for held in channel.certificates:
        ends = min(held.not_after, held.valid.until or held.not_after)
        if ends < at:
            continue
        leaf = read_der(held.der)
        judged = judge_certificate(leaf, policy, max(at, held.valid.since))
        yield judged.chain if isinstance(judged, Path) else (leaf,)


def life_of(entry: Trusted) -> tuple[datetime, datetime | None]:
    """When a CA's certificate or a revocation list begins and ends."""
    if entry.kind is TrustKind.CRL:
        crl = load_der_x509_crl(entry.der)
        return crl.last_update_utc, crl.next_update_utc
    held = read_der(entry.der)
    return held.not_before, held.not_after


def warned_life(entry: Trusted, begins: datetime, ends: datetime) -> timedelta | None:
    """By what life ``registers.warning_of`` is asked: a list is renewed all the time."""
    return ends - begins if entry.kind is TrustKind.CRL else None


def unknown(registers: Registers, channel: Channel, at: datetime) -> list[str]:
    """Of which certificates of ``channel`` it is not known yet whether they are revoked: words."""
    policy = policy_of(registers.trusted())
    words: list[str] = []
    for path in paths(channel, policy, at):
        sources = registers.sources((one.fingerprint for one in path), at)
        found = check(path, sources, at, (*policy.intermediates, *policy.trust))
        words += [item.words for item in found if isinstance(item, OutOfReach)]
    return list(dict.fromkeys(words))


def refuse_revoked(
    connection: Connection,
    chain: Sequence[SigningCertificate],
    policy: SignaturePolicy,
    begin: datetime,
) -> None:
    """OperatorError when one of ``chain`` is known to be revoked at ``begin``.

    What is not known yet, the verdict looks up.
    """
    mine = (one.fingerprint for one in chain)
    sources = SourceShelf(connection.engine).sources_in(connection, mine, begin)
    known = (*policy.intermediates, *policy.trust)
    for certificate, found in zip(chain, check(chain, sources, begin, known), strict=False):
        if isinstance(found, Revoked):
            raise OperatorError(f"certificate: {certificate.subject} {found.words}; give another")
