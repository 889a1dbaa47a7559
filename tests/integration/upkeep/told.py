"""A world whose sender signs with a certificate that names where its revocation is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from batch.names import Folder
from batch.registers import Channel
from batch.signing import certificate, encoding, signature
from batch.storage.registers_admin import RegistersAdmin
from batch.upkeep.fetching import Fetcher
from batch.upkeep.transfer import Client
from tests.integration.storage.world import SENDER, World, new_fi, new_stem
from tests.integration.upkeep.places import Authority


@dataclass
class Told:
    """``signer``: the certificate registered last, made by ``authority``; ``at``: the clock."""

    world: World
    authority: Authority = field(default_factory=Authority)
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    at: datetime | None = None

    def __post_init__(self) -> None:
        self.admin = RegistersAdmin(self.world.instance.production)
        self.admin.add_trust(_pem(self.authority.certificate()), self.now())

    def now(self) -> datetime:
        return self.at or datetime.now(UTC)

    def register(
        self,
        *lists: str,
        responders: tuple[str, ...] = (),
        life: timedelta = timedelta(days=400),
    ) -> Channel:
        """Sign from now on with a certificate that names these places."""
        self.signer = self.authority.signer("Told signer", self.key, lists, responders, life)
        began = self.now() - timedelta(hours=1)
        return self.admin.set_certificate(SENDER, _pem(self.signer), began)

    def send(self, fi: bytes | None = None, folder: Folder = Folder.IN) -> str:
        """A right set; its stem."""
        stem, fi = new_stem("T" if folder.is_test else "R"), fi or new_fi()
        made = signature.key_signer(self.key, certificate.read(_pem(self.signer)))
        fs = encoding.encode(signature.sign_with(made, [fi], datetime.now(UTC)))
        files = {f"FI.{stem}.1.1": fi, f"FS.{stem}.1.1": fs, f"GO.{stem}.1": b""}
        self.world.send(files, folder)
        return stem

    def give(self, crl: bytes) -> None:
        """As an operator with ``trust add``."""
        self.admin.add_trust(crl, self.now())

    def fetcher(self, *, private: bool = True) -> Fetcher:
        return Fetcher(self.world.instance, Client(private), self.now)


def _pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(Encoding.PEM)
