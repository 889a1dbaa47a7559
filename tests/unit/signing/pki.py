"""A PKI in memory, made by cryptography: one CA, an employer's certificate, and odd ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from batch.registers import Interval, RegisteredCertificate
from batch.signing.certificate import SigningCertificate, key_usage, read_der
from batch.signing.policy import SignaturePolicy
from fixtures.corpus.recipe import AT, FI

__all__ = ["AT", "FI", "Key", "Pki", "Template", "common_name", "make_pki", "registered"]

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Template:
    """A certificate to be issued; every field may be made odd."""

    subject: x509.Name
    key: Key
    issuer: x509.Name
    issuer_key: Key
    not_before: datetime = AT - timedelta(days=30)
    not_after: datetime = AT + timedelta(days=335)
    key_usage: x509.KeyUsage | None = None
    ca: bool | None = None
    identifier: bool = True
    extra: Sequence[tuple[x509.ExtensionType, bool]] = ()
    serial: int | None = None
    digest: hashes.SHA256 | hashes.SHA224 = field(default_factory=hashes.SHA256)

    def issue(self) -> SigningCertificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer)
            .public_key(self.key.public_key())
            .serial_number(self.serial or x509.random_serial_number())
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
        )
        if self.key_usage is not None:
            builder = builder.add_extension(self.key_usage, critical=True)
        if self.ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(self.ca, None), critical=True)
        if self.identifier:
            ski = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
            builder = builder.add_extension(ski, critical=False)
        for extension, critical in self.extra:
            builder = builder.add_extension(extension, critical)
        issued = builder.sign(self.issuer_key, self.digest)
        return read_der(issued.public_bytes(serialization.Encoding.DER))


@dataclass(frozen=True)
class Pki:
    """The CA, its template for certificates, and keys of each kind (made once per session)."""

    ca_key: Key
    ca: SigningCertificate
    rsa_key: rsa.RSAPrivateKey
    weak_key: rsa.RSAPrivateKey
    ec_key: ec.EllipticCurvePrivateKey
    template: Template
    certificate: SigningCertificate
    ec_certificate: SigningCertificate
    other: SigningCertificate

    @property
    def policy(self) -> SignaturePolicy:
        return SignaturePolicy((self.ca,))

    def issued(self, **odd: object) -> SigningCertificate:
        """The employer's certificate with some fields made odd."""
        return replace(self.template, **odd).issue()  # type: ignore[arg-type]


def registered(*certificates: SigningCertificate) -> tuple[RegisteredCertificate, ...]:
    return tuple(
        RegisteredCertificate(c.der, c.subject, c.fingerprint, c.not_after, Interval(c.not_before))
        for c in certificates
    )


def make_pki() -> Pki:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = common_name("Test CA")
    ca = Template(
        ca_name, ca_key, ca_name, ca_key, key_usage=key_usage("key_cert_sign", "crl_sign"), ca=True
    ).issue()
    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    template = Template(
        common_name("Bakkerij Peeters"),
        rsa_key,
        ca_name,
        ca_key,
        key_usage=key_usage("digital_signature", "content_commitment"),
    )
    return Pki(
        ca_key,
        ca,
        rsa_key,
        rsa.generate_private_key(65537, 1024),
        ec_key,
        template,
        template.issue(),
        replace(template, key=ec_key).issue(),
        replace(template, subject=common_name("Garage Dupont")).issue(),
    )
