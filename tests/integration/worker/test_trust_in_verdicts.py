"""What the registers know of CAs, and the switch for qualified ones, reach the verdict of a set."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from batch.settings import Settings
from batch.signing.certificate import SigningCertificate, key_usage
from batch.signing.signature import sign_detached
from batch.storage.registers_admin import RegistersAdmin
from batch.worker.rehearsal import rehearse
from fixtures.certificates import load
from tests.integration.storage.world import SENDER, World, files_of, new_fi, new_stem
from tests.unit.signing.pki import Template, common_name

NOW = datetime.now(UTC)
SIGNS = key_usage("key_cert_sign")


def answered(settings: Settings, place: Path, files: dict[str, bytes]) -> list[str]:
    """The codes that would refuse a set."""
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    [found] = rehearse([place / name for name in files], None, SENDER, settings, datetime.now(UTC))
    return sorted(a.code for a in found.anomalies if a.blocks)


def below_the_fixtures_ca() -> tuple[
    SigningCertificate, ec.EllipticCurvePrivateKey, SigningCertificate
]:
    """A CA under the trusted one of the fixtures; a signer's key, and certificate by that CA."""
    ca_key, ca = load("trusted-ca")
    assert not isinstance(ca_key, str)
    name, key = common_name("Middle CA"), ec.generate_private_key(ec.SECP256R1())
    signer_key = ec.generate_private_key(ec.SECP256R1())
    times = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=30)}
    middle = Template(name, key, ca.subject, ca_key, key_usage=SIGNS, ca=True, **times).issue()  # type: ignore[arg-type]
    leaf = Template(common_name("Signer"), signer_key, name, key, **times).issue()  # type: ignore[arg-type]
    return middle, signer_key, leaf


def pem(certificate: SigningCertificate) -> bytes:
    return certificate.loaded.public_bytes(Encoding.PEM)


def test_a_set_signed_below_a_known_ca_is_accepted_though_its_fs_does_not_bring_it(
    world: World, tmp_path: Path
) -> None:
    middle, key, leaf = below_the_fixtures_ca()
    admin = RegistersAdmin(world.instance.production)
    admin.set_certificate(SENDER, pem(leaf) + pem(middle), datetime.now(UTC))
    assert admin.intermediates() == [middle.der]
    stem, fi = new_stem(), new_fi()
    files = files_of(stem, fi)
    files[f"FS.{stem}.1.1"] = base64.b64encode(sign_detached([fi], key, leaf, NOW))
    assert answered(world.settings, tmp_path / "below", files) == []


def test_a_set_whose_signer_is_not_qualified_is_refused_where_that_is_asked(
    world: World, tmp_path: Path
) -> None:
    files = files_of(new_stem(), new_fi())
    assert answered(world.settings, tmp_path / "any", files) == []
    strict = world.settings.model_copy(update={"signature_qualified": True})
    assert answered(strict, tmp_path / "strict", files) == ["153"]
