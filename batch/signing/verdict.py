"""What proving a signature can end in: signed by whom, not signed for one cause, undecided."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batch.signing.findings import Finding


class Cause(StrEnum):
    """Why a signature or a certificate is refused: one member per cause, never reused."""

    EMPTY = "empty"
    TOO_LARGE = "too-large"
    SMIME_HEADERS = "smime-headers"
    ARMOUR = "armour"
    URL_SAFE_BASE64 = "url-safe-base64"
    BASE64_PADDING = "base64-padding"
    NOT_BASE64 = "not-base64"

    MALFORMED = "malformed"
    TOO_DEEP = "too-deep"
    TRAILING_BYTES = "trailing-bytes"
    NOT_SIGNED_DATA = "not-signed-data"
    VERSION = "version"
    CONTENT_TYPE = "content-type"
    ATTACHED = "attached"
    CERTIFICATE_FORMAT = "certificate-format"
    EMBEDDED_CRLS = "embedded-crls"
    NO_SIGNER = "no-signer"
    SEVERAL_SIGNERS = "several-signers"
    UNSIGNED_ATTRIBUTES = "unsigned-attributes"

    NO_SIGNED_ATTRIBUTES = "no-signed-attributes"
    ATTRIBUTES_NOT_DER = "attributes-not-der"
    ATTRIBUTE_TWICE = "attribute-twice"
    ATTRIBUTE_MALFORMED = "attribute-malformed"
    ATTRIBUTE_MISSING = "attribute-missing"
    CONTENT_TYPE_ATTRIBUTE = "content-type-attribute"
    ALGORITHM_PROTECTION = "algorithm-protection"
    SIGNING_CERTIFICATE_ATTRIBUTE = "signing-certificate-attribute"

    DIGEST_NOT_ALLOWED = "digest-not-allowed"
    DIGEST_NOT_ANNOUNCED = "digest-not-announced"
    SIGNATURE_ALGORITHM = "signature-algorithm"
    ALGORITHMS_DISAGREE = "algorithms-disagree"
    PSS_PARAMETERS = "pss-parameters"

    SIGNATURE_WRONG = "signature-wrong"
    DIGEST_DIFFERS = "digest-differs"

    NO_CERTIFICATE_REGISTERED = "no-certificate-registered"
    OTHER_CERTIFICATE = "other-certificate"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_EXPIRED = "certificate-expired"
    KEY_NOT_ALLOWED = "key-not-allowed"
    KEY_USAGE = "key-usage"
    CRITICAL_EXTENSION = "critical-extension"
    NOT_QUALIFIED = "not-qualified"
    CERTIFICATE_REVOKED = "certificate-revoked"
    ISSUER_REVOKED = "issuer-revoked"
    ISSUER_UNKNOWN = "issuer-unknown"
    ISSUER_NOT_CA = "issuer-not-ca"
    ISSUER_NOT_VALID = "issuer-not-valid"
    ISSUER_SIGNATURE = "issuer-signature"
    ISSUER_KEY = "issuer-key"
    PATH_LENGTH = "path-length"
    NAME_CONSTRAINTS = "name-constraints"
    CERTIFICATE_POLICY = "certificate-policy"

    @property
    def code(self) -> str:
        """Official reception code: 153 when the certificate is at fault, else 125 (annex 30)."""
        return "153" if self in _CERTIFICATE_AT_FAULT else "125"


_CERTIFICATE_AT_FAULT = frozenset(
    {
        Cause.NO_CERTIFICATE_REGISTERED,
        Cause.OTHER_CERTIFICATE,
        Cause.CERTIFICATE_NOT_YET_VALID,
        Cause.CERTIFICATE_EXPIRED,
        Cause.KEY_NOT_ALLOWED,
        Cause.KEY_USAGE,
        Cause.CRITICAL_EXTENSION,
        Cause.NOT_QUALIFIED,
        Cause.CERTIFICATE_REVOKED,
        Cause.ISSUER_REVOKED,
        Cause.ISSUER_UNKNOWN,
        Cause.ISSUER_NOT_CA,
        Cause.ISSUER_NOT_VALID,
        Cause.ISSUER_SIGNATURE,
        Cause.ISSUER_KEY,
        Cause.PATH_LENGTH,
        Cause.NAME_CONSTRAINTS,
        Cause.CERTIFICATE_POLICY,
    }
)


@dataclass(frozen=True, slots=True)
class Signed:
    """The FI was signed with a certificate registered for the channel.

    ``fingerprint`` is the SHA-256 of that certificate (hex); ``digest`` the algorithm over the FI;
    ``signing_time`` what the signer claims, aware, or None when he claims nothing; ``chain`` the
    certificates from the signer's to the anchor, DER; ``revocation`` what was found of each of
    them but the anchor; ``algorithm`` the object identifier of the signature's.
    """

    subject: str
    fingerprint: str
    digest: str
    signing_time: datetime | None
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    revocation: tuple[Finding, ...] = ()
    algorithm: str = ""


@dataclass(frozen=True, slots=True)
class NotSigned:
    """Refused: one cause, and one sentence for a person. The sentence holds no INSS."""

    cause: Cause
    words: str

    @property
    def code(self) -> str:
        return self.cause.code


@dataclass(frozen=True, slots=True)
class Undecided:
    """A source needed for the verdict is out of reach; nothing is refused because of it."""

    words: str


Verdict = Signed | NotSigned | Undecided
