"""NIST's answers for RSA and ECDSA, through the call that judges an FS.

Each key is put into a certificate, which is read and judged as a sender's would be. What the
channel does not take (a digest, a key) is counted with its reason; all else must come out as NIST
says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from batch.signing.algorithms import Digest, Ecdsa, Pkcs1v15, Pss, Scheme, check_signature
from batch.signing.certificate import CertificateError, SigningCertificate, read_der
from batch.signing.policy import AdmittedKeys
from fixtures.corpus import keys
from fixtures.corpus.der import NULL, SHA256_WITH_RSA, algorithm, integer, oid, seq, tlv
from fixtures.corpus.recipe import HASHES

NIST = Path(cryptography_vectors.__file__).parent / "asymmetric"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
CURVES = {"P-256": "1.2.840.10045.3.1.7", "P-384": "1.3.132.0.34", "P-521": "1.3.132.0.35"}


@dataclass(frozen=True)
class Vector:
    """A signature, and whether it is right; ``public_key`` is a SubjectPublicKeyInfo."""

    digest: str
    public_key: bytes
    message: bytes
    signature: bytes
    scheme: Scheme
    right: bool
    why: str


@cache
def certificate(public_key: bytes) -> SigningCertificate:
    """A certificate of version 1 around a key, by the CA of the corpus."""
    issuing = keys.key("ca")
    assert isinstance(issuing, rsa.RSAPrivateKey)
    scheme = algorithm(SHA256_WITH_RSA, NULL)
    times = seq(tlv(0x17, b"200101000000Z"), tlv(0x17, b"491231235959Z"))
    tbs = seq(integer(7), scheme, keys.name_of("ca"), times, seq(), public_key)
    value = issuing.sign(tbs, padding.PKCS1v15(), HASHES["sha256"])
    return read_der(seq(tbs, scheme, tlv(3, b"\x00", value)))


def fields(path: Path) -> Iterator[dict[str, str]]:
    """Each test of a .rsp file: its own values over those of its section; names in lower case."""
    section: dict[str, str] = {}
    own: dict[str, str] = {}
    last = "result" if "Result = " in path.read_text("ascii") else "s"
    for line in path.read_text("ascii").splitlines():
        if line.startswith("["):
            section, own = {"section": line.strip("[]")}, {}
            continue
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        name, value = name.strip().lower(), value.strip()
        if name == "n":
            section, own = {"section": section["section"]}, {}
        own[name] = value
        if name in ("n", "e") and "msg" not in own and "shaalg" not in own:
            section[name] = value
        if name == last:
            yield section | own
            own = {}


def _rsa(folder: str, salt: int | None) -> Iterator[Vector]:
    for test in fields(NIST / "RSA" / folder):
        n, e = int(test["n"], 16), int(test["e"], 16)
        numbers = seq(integer(n), integer(e))
        spki = seq(algorithm("1.2.840.113549.1.1.1", NULL), tlv(3, b"\x00", numbers))
        yield Vector(
            test["shaalg"].lower(),
            spki,
            bytes.fromhex(test["msg"]),
            bytes.fromhex(test["s"]),
            Pkcs1v15() if salt is None else Pss(salt),
            test.get("result", "P").startswith("P"),
            test.get("result", "P"),
        )


def _ecdsa(name: str) -> Iterator[Vector]:
    for test in fields(NIST / "ECDSA" / "FIPS_186-3" / name):
        curve, sha = test["section"].split(",")
        size = (int(curve[2:]) + 7) // 8
        if curve not in CURVES:
            yield Vector("curve", b"", b"", b"", Ecdsa(), False, curve)
            continue
        point = b"\x04" + b"".join(int(test[q], 16).to_bytes(size, "big") for q in ("qx", "qy"))
        parameters = algorithm(EC_PUBLIC_KEY, oid(CURVES[curve]))
        yield Vector(
            sha.replace("-", "").lower(),
            seq(parameters, tlv(3, b"\x00", point)),
            bytes.fromhex(test["msg"]),
            encode_dss_signature(int(test["r"], 16), int(test["s"], 16)),
            Ecdsa(),
            test.get("result", "P").startswith("P"),
            test.get("result", "P"),
        )


def outcome(vector: Vector) -> str:
    """In a word: right or wrong as NIST says, or why the channel does not come so far."""
    if vector.digest == "curve":
        return "curve not taken"
    if vector.digest not in set(Digest):
        return "digest not taken"
    try:
        known = certificate(vector.public_key)
    except CertificateError:
        # A point that is not on its curve, an even exponent: NIST changed the key.
        assert not vector.right, vector
        return "key unreadable"
    if AdmittedKeys().refusal(known) is not None:
        return "key not taken"
    wrong = check_signature(
        known, vector.scheme, Digest(vector.digest), vector.signature, vector.message
    )
    assert (wrong is None) is vector.right, vector
    return "accepted" if wrong is None else "refused"


FILES = {
    "PKCS #1 v1.5, to verify": lambda: _rsa("FIPS_186-2/SigVer15_186-3.rsp", None),
    "PKCS #1 v1.5, encoded wrongly": lambda: _rsa("SigVer15EMTest.txt", None),
    "PKCS #1 v1.5, signed": lambda: _rsa("FIPS_186-2/SigGen15_186-3.rsp", None),
    "RSASSA-PSS, to verify": lambda: _rsa("FIPS_186-2/SigVerPSS_186-3.rsp", 10),
    "RSASSA-PSS, signed without salt": lambda: _rsa("FIPS_186-2/SigGenPSS_186-3.rsp", 0),
    "RSASSA-PSS, signed with a salt of 20": lambda: _rsa("FIPS_186-2/SigGenPSS_186-2.rsp", 20),
    "ECDSA, to verify": lambda: _ecdsa("SigVer.rsp"),
    "ECDSA, signed": lambda: _ecdsa("SigGen.txt"),
}
VERIFY = {"accepted": 36, "digest not taken": 90, "key not taken": 144, "refused": 180}
SIGNED = {"accepted": 120, "digest not taken": 50, "key not taken": 80}
EXPECTED = {
    "PKCS #1 v1.5, to verify": VERIFY,
    "PKCS #1 v1.5, encoded wrongly": {"digest not taken": 30, "key not taken": 48, "refused": 72},
    "PKCS #1 v1.5, signed": SIGNED,
    "RSASSA-PSS, to verify": VERIFY,
    "RSASSA-PSS, signed without salt": SIGNED,
    "RSASSA-PSS, signed with a salt of 20": SIGNED,
    "ECDSA, to verify": {
        "accepted": 36,
        "curve not taken": 900,
        "digest not taken": 45,
        "refused": 144,
    },
    "ECDSA, signed": {"accepted": 180, "curve not taken": 900, "digest not taken": 45},
}
"""Not taken: SHA-224; RSA below 2048 bits; P-192, P-224 and the binary curves. SHA-1 is verified:
a channel may have an exception for it."""


@pytest.mark.parametrize("name", FILES)
def test_every_vector_comes_out_as_nist_says(name: str) -> None:
    assert dict(Counter(outcome(vector) for vector in FILES[name]())) == EXPECTED[name]
