"""CAs between a signer and a trusted one: known, kept, raised to trust; and qualified signers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, select

from batch.errors import OperatorError
from batch.identifiers import EnterpriseNumber
from batch.registers import Channel, Quality
from batch.signing.certificate import SigningCertificate, key_usage
from batch.storage import registers_tables as tables
from batch.storage.database import engine_for, reading
from batch.storage.register_files import TrustKind
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from batch.storage.schema import metadata
from fixtures.certificates import PKI
from tests.unit.signing.pki import AT, Pki, common_name, make_pki

ACME = EnterpriseNumber("0403170701")
QC = "1.3.6.1.5.5.7.1.3"
COMPLIANT = bytes.fromhex("300a3008060604008e460101")  # QcCompliance alone: for signatures


@pytest.fixture(scope="module")
def pki() -> Pki:
    return make_pki()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = engine_for(tmp_path / "production.sqlite", create=True)
    metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def admin(engine: Engine) -> RegistersAdmin:
    """Empty registers."""
    return RegistersAdmin(engine)


@pytest.fixture
def strict(engine: Engine) -> RegistersAdmin:
    """The same, where signers' certificates must be qualified."""
    return RegistersAdmin(engine, qualified=True)


def pem(*certificates: SigningCertificate) -> bytes:
    return b"".join(c.loaded.public_bytes(Encoding.PEM) for c in certificates)


@pytest.fixture(scope="module")
def middle(pki: Pki) -> SigningCertificate:
    name = common_name("Middle CA")
    return pki.issued(subject=name, key=pki.ec_key, ca=True, key_usage=key_usage("key_cert_sign"))


@pytest.fixture(scope="module")
def leaf(pki: Pki) -> SigningCertificate:
    return pki.issued(issuer=common_name("Middle CA"), issuer_key=pki.ec_key)


def opened(admin: RegistersAdmin, certificate: bytes) -> Channel:
    admin.add_enterprise(ACME, "Acme", None, AT)
    key = (PKI / "employer.ssh.pub").read_bytes()
    wanted = NewChannel(ACME, Quality.NSSO_EMPLOYER, "EXP_ACME", key, certificate, ("FLA",))
    return admin.open_channel(wanted, AT)


def events(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.scalars(select(tables.register_event.c.what)))


def test_a_signer_below_a_known_ca_is_registered_and_below_an_unknown_one_is_not(
    admin: RegistersAdmin, pki: Pki, middle: SigningCertificate, leaf: SigningCertificate
) -> None:
    admin.add_trust(pem(pki.ca), AT)
    with pytest.raises(OperatorError, match=r"Middle CA.*--intermediate"):
        opened(admin, pem(leaf))
    [entry] = admin.add_trust(pem(middle), AT, intermediate=True)
    assert entry.kind is TrustKind.INTERMEDIATE
    assert admin.trust_anchors() == [pki.ca.der]
    assert admin.intermediates() == [middle.der]
    assert opened(admin, pem(leaf)).certificates[0].fingerprint == leaf.fingerprint


def test_an_intermediate_ca_vouches_for_nobody_by_itself(
    admin: RegistersAdmin, pki: Pki, middle: SigningCertificate, leaf: SigningCertificate
) -> None:
    admin.add_trust(pem(pki.issued(subject=common_name("Other CA"), ca=True)), AT)
    admin.add_trust(pem(middle), AT, intermediate=True)
    with pytest.raises(OperatorError, match="not in the trust"):
        opened(admin, pem(leaf))


def test_a_known_ca_given_as_trusted_becomes_trusted_and_both_events_stay(
    admin: RegistersAdmin, engine: Engine, middle: SigningCertificate
) -> None:
    admin.add_trust(pem(middle), AT, intermediate=True)
    for _ in range(2):
        [entry] = admin.add_trust(pem(middle), AT + timedelta(days=1))
        assert (entry.kind, entry.added_at) == (TrustKind.CERTIFICATE, AT)
    assert events(engine) == ["trust_added", "trust_changed"]
    with pytest.raises(OperatorError, match="trusted already"):
        admin.add_trust(pem(middle), AT, intermediate=True)
    assert admin.trust_anchors() == [middle.der]


def test_a_root_is_no_intermediate(admin: RegistersAdmin, pki: Pki) -> None:
    with pytest.raises(OperatorError, match="signed by itself"):
        admin.add_trust(pem(pki.ca), AT, intermediate=True)


def test_of_a_chain_the_signer_is_registered_and_only_what_the_path_needs_is_kept(
    admin: RegistersAdmin, pki: Pki, middle: SigningCertificate, leaf: SigningCertificate
) -> None:
    admin.add_trust(pem(pki.ca), AT)
    stranger = pki.issued(subject=common_name("Stranger"), ca=True)
    channel = opened(admin, pem(middle, stranger, pki.ca, leaf))
    assert [c.fingerprint for c in channel.certificates] == [leaf.fingerprint]
    assert (admin.trust_anchors(), admin.intermediates()) == ([pki.ca.der], [middle.der])


def test_a_file_with_two_signers_or_none_is_refused(
    admin: RegistersAdmin, pki: Pki, middle: SigningCertificate, leaf: SigningCertificate
) -> None:
    admin.add_trust(pem(pki.ca), AT)
    for number, data in ((2, pem(leaf, pki.certificate)), (0, pem(middle, pki.ca))):
        with pytest.raises(OperatorError, match=f"{number} are not a CA's"):
            opened(admin, data)
    assert admin.intermediates() == []


def test_where_qualified_certificates_are_asked_no_other_is_registered(
    strict: RegistersAdmin, pki: Pki
) -> None:
    strict.add_trust(pem(pki.ca), AT)
    with pytest.raises(OperatorError, match="qualified"):
        opened(strict, pem(pki.certificate))
    statements = x509.UnrecognizedExtension(x509.ObjectIdentifier(QC), COMPLIANT)
    good = pki.issued(extra=[(statements, False)])
    assert opened(strict, pem(good)).certificates[0].fingerprint == good.fingerprint
