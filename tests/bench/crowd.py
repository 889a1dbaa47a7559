"""Many senders: enterprises, certificates, login keys and channels, made in the registers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from batch.identifiers import EnterpriseNumber
from batch.registers import Quality
from batch.settings import Settings
from batch.signing.certificate import key_usage
from batch.storage.instance import Instance
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from fixtures.certificates import load
from tests.acceptance.instance import enterprise

_FIRST = 100
"""Of the invented enterprises; those before are in the instance of the fixtures."""


def opened(data: Path, count: int, keys: Path) -> list[tuple[str, Path]]:
    """Open ``count`` channels; the name and the login key of each sender."""
    instance = Instance.open(Settings(data=data))
    admin, at = RegistersAdmin(instance.production), datetime.now(UTC)
    found: list[tuple[str, Path]] = []
    for number in range(_FIRST, _FIRST + count):
        owner, user = EnterpriseNumber.parse(enterprise(number)), f"crowd{number}"
        login = asyncssh.generate_private_key("ssh-ed25519")
        login.write_private_key(keys / user)
        admin.add_enterprise(owner, user, None, at)
        wanted = NewChannel(
            enterprise=owner,
            quality=Quality.NSSO_EMPLOYER,
            user=user,
            ssh_key=login.export_public_key(),
            certificate=_certificate(number, at),
            services=("FLA",),
        )
        instance.spool.sender(admin.open_channel(wanted, at).sender)
        found.append((user, keys / user))
    instance.production.dispose()
    return found


def _certificate(number: int, at: datetime) -> bytes:
    """A signing certificate of its own, by the trusted CA of the fixtures."""
    issuer, parent = load("trusted-ca")
    usage = key_usage("digital_signature", "content_commitment")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Crowd {number}")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(parent.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(1_000_000 + number)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=30))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
