"""What it costs to prove a signature: of a small FS, and of a very large FI.

The small one is proved as the worker does it, in a process that runs already; its peer is the
program that anybody can check an FS with, which is started for each. The large FI is read,
compared with its manifest and proved in one pass; its peer digests it and does no more.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from batch.identifiers import SenderNumber
from batch.ingest import scan
from batch.names import Folder, Kind
from batch.registers import Interval, RegisteredCertificate
from batch.signing import certificate, encoding, signature, verification
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Signed, Verdict
from batch.states import Sealed, SealedFile, SetKey, Trigger
from batch.storage.dossiers import Dossier
from fixtures.certificates import PKI, load
from tests.bench import usage
from tests.bench.figures import Bench, Row, Run, Sample, Target, contest

NAME = "signatures"
SMALL = b"<FLADeclaration>" + b"x" * 4984
AT_ONCE = 500
"""Signatures per round: half a second of work and no less, for the clock's grain."""
STARTS = 40
"""Runs of the openssl program in a round."""
MEGABYTES = 500


def rows(run: Run) -> Iterator[Row]:
    with run.room(NAME) as home:
        yield _small(run, home)
        yield from _large(run, home, run.size(MEGABYTES, 8))


def signer() -> signature.KeySigner:
    """The employer of the fixtures: RSA of 2048 bits."""
    key, given = load("employer")
    assert isinstance(key, rsa.RSAPrivateKey)
    return signature.key_signer(key, certificate.read_der(given.public_bytes(Encoding.DER)))


def policy() -> SignaturePolicy:
    _, authority = load("trusted-ca")
    return SignaturePolicy.trusting([authority.public_bytes(Encoding.DER)])


def registered(one: certificate.SigningCertificate) -> RegisteredCertificate:
    valid = Interval(datetime(2020, 1, 1, tzinfo=UTC))
    return RegisteredCertificate(one.der, one.subject, one.fingerprint, one.not_after, valid)


def _small(run: Run, home: Path) -> Row:
    who, at = signer(), datetime.now(UTC)
    fs = encoding.encode(signature.sign_with(who, [SMALL], at))
    trusting, known = policy(), (registered(who.certificate),)
    (home / "FI").write_bytes(SMALL)
    (home / "FS.der").write_bytes(base64.b64decode(fs))
    count, starts = run.size(AT_ONCE, 20), run.size(STARTS, 2)

    def ours() -> Sample:
        start = time.process_time()
        for _ in range(count):
            begun = verification.begin(fs, known, trusting, at)
            assert not isinstance(begun, NotSigned), begun
            begun.update(SMALL)
            assert isinstance(begun.finish(), Signed)
        return {"cpu": (time.process_time() - start) / count}

    def theirs() -> Sample:
        command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", home / "FS.der"]
        command += ["-content", home / "FI", "-CAfile", PKI / "trusted-ca.pem", "-out", os.devnull]
        return {"cpu": sum(usage.program(*command).cpu for _ in range(starts)) / starts}

    name = f"{NAME}-small"
    pairs = contest(run, name, ours, theirs, "openssl cms -verify")
    work = "a small FS proved, CPU"
    return pairs.row(name, work, "cpu", "ms", Target("<=", 0.25))


def _large(run: Run, home: Path, megabytes: int) -> Iterator[Row]:
    """No service is served here, so that no parser reads what only its signature is wanted of."""
    dossier = Dossier(home)
    fi, fs = _written(home, megabytes)
    at, who = datetime.now(UTC), signer()
    trusting, known = policy(), (registered(who.certificate),)
    key = SetKey(SenderNumber("000001"), Folder.IN, "FLAD.000001.20260101.00001.R", 1)
    sealed = Sealed(key, Trigger.GO, (fi, fs), at)

    def begin(file: SealedFile) -> verification.Verifier | NotSigned:
        return verification.begin(dossier.read(file, 1 << 16), known, trusting, at)

    def ours() -> Sample:
        cpu, wall = time.process_time(), time.perf_counter()
        _, found = scan.look(sealed, None, dossier.blocks, begin)
        verdict: Verdict = found[fi.name]
        assert isinstance(verdict, Signed), verdict
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}

    def theirs() -> Sample:
        spent = usage.program("openssl", "dgst", "-sha256", home / fi.name)
        return {"cpu": spent.cpu, "wall": spent.wall}

    name = f"{NAME}-large"
    pairs = contest(run, name, ours, theirs, "openssl dgst")
    work = f"an FI of {megabytes} MB read and proved, CPU"
    yield pairs.row(name, work, "cpu", "s", Target("<=", 1.1))
    yield pairs.row(f"{name}-wall", "the same, wall clock", "wall", "s")


def _written(home: Path, megabytes: int) -> tuple[SealedFile, SealedFile]:
    block = os.urandom(1_000_000)
    data, text = home / "FI.FLAD.000001.20260101.00001.R.1.1", hashlib.sha256()
    with open(data, "wb") as stream:
        for _ in range(megabytes):
            stream.write(block)
            text.update(block)
    signed = signature.sign_with(signer(), (block for _ in range(megabytes)), datetime.now(UTC))
    fs = data.with_name(data.name.replace("FI", "FS", 1))
    fs.write_bytes(encoding.encode(signed))
    size = data.stat().st_size
    return (
        SealedFile(data.name, Kind.FI, size, text.hexdigest()),
        SealedFile(fs.name, Kind.FS, fs.stat().st_size, ""),
    )


BENCH = Bench(NAME, "a small FS proved; an FI of 500 MB proved", rows, ("openssl",))
