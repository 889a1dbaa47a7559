"""A signing key that stays in a PKCS#11 token; the session with it is opened when it is needed.

A token that is away is like a database that is away: Busy, and the sets wait. Each process has its
own session, for a module's state does not survive a fork.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from batch.errors import Busy, OperatorError
from batch.signing.certificate import SigningCertificate
from batch.signing.pkcs11_uri import TokenKey, parse
from batch.signing.policy import AdmittedKeys

if TYPE_CHECKING:
    import pkcs11


_LOCK = threading.Lock()
_OPENED: set[Path] = set()
"""Modules in use. C_Initialize is for a whole process (PKCS #11, 5.4), and so are these: a module
sees a token that came back only when it begins anew, which ends every session that was open."""


@dataclass(slots=True)
class TokenSigner:
    """A ``signature.Signer``, for threads, whose key is in a token: made by ``token_signer``."""

    where: TokenKey
    certificate: SigningCertificate
    _session: pkcs11.Session | None = field(default=None, repr=False)
    _key: Any = field(default=None, repr=False)
    _wrong_pin: str | None = field(default=None, repr=False)

    @property
    def algorithm(self) -> str:
        rsa_key = isinstance(self.certificate.loaded.public_key(), rsa.RSAPublicKey)
        return "rsassa_pkcs1v15" if rsa_key else "sha256_ecdsa"

    def sign(self, data: bytes) -> bytes:
        """The signature value over ``data``; Busy while the token is away or refuses us.

        A session that ended since it was used last (the token was drawn and put back) is opened
        anew, once. What the token gives is verified: no answer leaves that nobody can verify.
        """
        from pkcs11.exceptions import PKCS11Error

        with _LOCK:
            fresh = self._key is None
            try:
                value = self._sign(data)
            except PKCS11Error as error:
                self._close()
                if fresh:
                    raise self._away(error) from None
                try:
                    value = self._sign(data)
                except PKCS11Error as again:
                    self._close()
                    raise self._away(again) from None
        self._prove(value, data)
        return value

    def _sign(self, data: bytes) -> bytes:
        from pkcs11 import Mechanism

        if self._key is None:
            self._open()
        if self.algorithm == "rsassa_pkcs1v15":
            return bytes(self._key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
        digest = hashes.Hash(hashes.SHA256())
        digest.update(data)
        plain = bytes(self._key.sign(digest.finalize(), mechanism=Mechanism.ECDSA))
        half = len(plain) // 2  # PKCS#11 gives r and s side by side; CMS wants them in DER
        return encode_dss_signature(
            int.from_bytes(plain[:half], "big"), int.from_bytes(plain[half:], "big")
        )

    def _open(self) -> None:
        import pkcs11
        from pkcs11.exceptions import PinIncorrect

        pin = _pin(self.where.pin_source)
        if pin == self._wrong_pin:  # a token locks itself after a few of them
            raise Busy(f"{self.where.in_words}: the PIN was refused; mend {self.where.pin_source}")
        module = pkcs11.lib(str(self.where.module))
        if self.where.module in _OPENED:
            module.reinitialize()
        _OPENED.add(self.where.module)
        serial = None if self.where.serial is None else self.where.serial.encode()
        token = module.get_token(token_label=self.where.token, token_serial=serial)
        try:
            self._session = token.open(user_pin=pin)
        except PinIncorrect:
            self._wrong_pin = pin
            raise
        self._wrong_pin = None
        self._key = self._session.get_key(
            object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self.where.object, id=self.where.id
        )

    def _close(self) -> None:
        """Forget the session; what its end says is no news: it is lost already."""
        from pkcs11.exceptions import PKCS11Error

        session, self._session, self._key = self._session, None, None
        if session is not None:
            with suppress(PKCS11Error):
                session.close()

    def _away(self, error: Exception) -> Busy:
        """The name of the fault says enough; its text may come from anywhere."""
        return Busy(f"{self.where.in_words} is out of reach: {type(error).__name__}")

    def _prove(self, value: bytes, data: bytes) -> None:
        key = self.certificate.loaded.public_key()
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(value, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Busy(
                f"{self.where.in_words} is not the key of the institution's certificate "
                f"({self.certificate.subject}); name the right key, or put its certificate there"
            ) from None


def token_signer(uri: str, certificate: SigningCertificate) -> TokenSigner:
    """The key that ``uri`` names, unopened; OperatorError when it can never be used from here."""
    try:
        import pkcs11  # noqa: F401 - an extra: only who has a token needs it
    except ImportError:
        raise OperatorError(
            "institution_key_uri names a key in a token, and python-pkcs11 is missing here; "
            "install it: pip install 'fla-batch[pkcs11]'"
        ) from None
    where = parse(uri)
    if not where.module.exists():
        raise OperatorError(f"institution_key_uri: there is no module {where.module}")
    weak = AdmittedKeys().refusal(certificate)
    if weak is not None:
        raise OperatorError(f"certificate of {certificate.subject}: {weak}")
    return TokenSigner(where, certificate)


def _pin(source: Path) -> str:
    try:
        return source.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Busy(f"the PIN in {source} cannot be read: {type(error).__name__}") from None
