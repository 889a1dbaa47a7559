"""RSA keys that are long enough and worth nothing are refused, for signing and for login."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from batch.errors import OperatorError
from batch.signing.certificate import read_der
from batch.signing.policy import AdmittedKeys
from batch.signing.weak_rsa import weakness
from batch.storage.register_files import login_key
from tests.unit.signing.broken import CLOSE, ROCA, public
from tests.unit.signing.pki import Pki

BROKEN = pytest.mark.parametrize(("modulus", "word"), [(ROCA, "ROCA"), (CLOSE, "close")])


@BROKEN
def test_a_signing_certificate_with_such_a_key_is_refused(
    pki: Pki, modulus: int, word: str
) -> None:
    name = x509.Name([])
    issued = (
        x509.CertificateBuilder(name, name, public(modulus), 1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(pki.ca_key, hashes.SHA256())
    )
    refusal = AdmittedKeys().refusal(read_der(issued.public_bytes(Encoding.DER)))
    assert refusal is not None
    assert word in refusal


@BROKEN
def test_such_a_login_key_is_refused(modulus: int, word: str) -> None:
    line = public(modulus).public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    with pytest.raises(OperatorError, match=word):
        login_key(line, datetime.now(UTC))


def test_honest_keys_are_not() -> None:
    for _ in range(3):
        assert (
            weakness(rsa.generate_private_key(65537, 2048).public_key().public_numbers().n) is None
        )


def test_no_number_of_chance_bears_the_marks() -> None:
    """One in 2**27 would; by Fermat's method hardly any."""
    chance = random.Random(2017)
    for _ in range(300):
        assert weakness(chance.getrandbits(2048) | 1 | 1 << 2047) is None
