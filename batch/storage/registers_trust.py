"""What is trusted, changed; and a signer's certificate judged by it before it is registered."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection, update

from batch.errors import OperatorError
from batch.signing.certificate import CertificateError, SigningCertificate, read_all
from batch.signing.path import NotTrusted, judge_certificate
from batch.signing.verdict import Cause
from batch.storage import registers_tables as tables
from batch.storage.register_files import Trusted, TrustKind, trust_entries
from batch.storage.registers_tables import record
from batch.storage.standing import policy_of, refuse_revoked


def add_entries(
    connection: Connection, data: bytes, at: datetime, *, intermediate: bool
) -> list[Trusted]:
    """Put every entry of a file into the trust; OperatorError, and then nothing is put there.

    An intermediate CA that is now given as trusted becomes trusted: its row changes, and both
    events stay. The other way round is refused, or it would look as if it were trusted no more.
    """
    known = tables.trust.c.fingerprint
    given = {e.fingerprint: e for e in trust_entries(data, at, intermediate=intermediate)}
    held = {e.fingerprint: e for e in tables.trusted_where(connection, known.in_(given))}
    for mark, entry in given.items():
        former = held.get(mark)
        if former is None:
            _insert(connection, entry, at)
        elif former.kind is not entry.kind:
            _raise(connection, former, entry, at)
    return tables.trusted_where(connection, known.in_(given))


def _insert(connection: Connection, entry: Trusted, at: datetime) -> None:
    connection.execute(tables.trust.insert().values(**asdict(entry)))
    record(connection, at, None, "trust_added", kind=entry.kind, fingerprint=entry.fingerprint)


def _raise(connection: Connection, former: Trusted, wanted: Trusted, at: datetime) -> None:
    if wanted.kind is TrustKind.INTERMEDIATE:
        raise OperatorError(
            f"--intermediate: {former.subject} is trusted already, and stays so; "
            "trust given once is not taken back"
        )
    mine = tables.trust.c.fingerprint == former.fingerprint
    connection.execute(update(tables.trust).where(mine).values(kind=wanted.kind))
    mark = former.fingerprint
    record(connection, at, None, "trust_changed", kind=wanted.kind, fingerprint=mark)


def fit_signer(
    connection: Connection, data: bytes, begin: datetime, at: datetime, *, qualified: bool
) -> tuple[SigningCertificate, ...]:
    """The path of the signer's certificate in ``data``, which holds at ``begin``, signer first.

    The file may hold the chain too. Of it, the CAs that the path needs are kept as intermediates:
    an FS need not bring them. They vouch for nobody. OperatorError says what does not fit, or is
    known to be revoked.
    """
    signer, others = _signer(data)
    entries = tables.trusted_where(connection)
    policy = replace(policy_of(entries), qualified=qualified)
    verdict = judge_certificate(signer, policy, begin, others)
    if isinstance(verdict, NotTrusted):
        advice = ""
        if verdict.cause is Cause.ISSUER_UNKNOWN:
            advice = (
                " Add its CA with fla-batch trust add FILE, and CAs between with --intermediate."
            )
        raise OperatorError(f"certificate: {verdict.words}{advice}")
    refuse_revoked(connection, verdict.chain, policy, begin)
    known = {e.fingerprint for e in entries}
    for between in verdict.chain[1:-1]:
        if between.fingerprint not in known:
            kind, mark = TrustKind.INTERMEDIATE, between.fingerprint
            _insert(connection, Trusted(kind, between.subject, mark, at, between.der), at)
    return verdict.chain


def _signer(data: bytes) -> tuple[SigningCertificate, list[SigningCertificate]]:
    """The signer's certificate, alone or the only one that is no CA's, and the others."""
    try:
        found = list({c.der: c for c in read_all(data)}.values())
    except CertificateError as error:
        raise OperatorError(f"certificate: {error}") from None
    own = found if len(found) == 1 else [c for c in found if not c.ca]
    if len(own) != 1:
        raise OperatorError(
            f"certificate: of the {len(found)} certificates in the file {len(own)} are not a CA's; "
            "give the signer's own, and with it at most the CAs above it"
        )
    return own[0], [c for c in found if c is not own[0]]
