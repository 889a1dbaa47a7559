"""What each cause of a refused signature means for its sender, and what to do about it.

``docs/send.md`` is made from these two tables; ``doctor`` ends its words with what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from batch.signing.verdict import Cause


class Detail(StrEnum):
    """What the doctor found behind a cause: finer than the cause, and never a verdict."""

    CRLF = "crlf"
    LF = "lf"
    LONE_CR = "lone-cr"
    BOM_ADDED = "bom-added"
    BOM_REMOVED = "bom-removed"
    END_ADDED = "end-added"
    END_REMOVED = "end-removed"
    CTRL_Z = "ctrl-z"
    ENCODING = "encoding"
    TEXT_HEADER = "text-header"
    DIGEST_OF_DIGEST = "digest-of-digest"
    EMPTY_FILE = "empty-file"
    OTHER_PART = "other-part"
    OTHER_FILE = "other-file"
    EDITED_AFTER = "edited-after"
    UNEXPLAINED = "unexplained"
    NOT_TRIED = "not-tried"

    TRUNCATED = "truncated"
    TWICE_ENCODED = "twice-encoded"
    PRIVATE_KEY = "private-key"
    CERTIFICATE = "certificate"
    REQUEST = "request"
    PUBLIC_KEY = "public-key"
    ENCRYPTED = "encrypted"
    BARE_SIGNATURE = "bare-signature"
    HEXADECIMAL = "hexadecimal"
    FOREIGN_SIGNATURE = "foreign-signature"
    XML_SIGNATURE = "xml-signature"
    XML = "xml"
    PDF = "pdf"
    ZIP = "zip"
    UNICODE = "unicode"

    FORMER = "former"
    NEXT = "next"
    RENEWED = "renewed"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True)
class Meaning:
    """``happened``: the mistake, as a phrase; ``remedy``: sentences on what to do."""

    happened: str
    remedy: str


_SIGN: Final = "Sign the FI again with openssl cms -sign -binary, or fla-batch sign."
_SIMPLY: Final = "Make it with openssl cms -sign -binary, or fla-batch sign, and change no option."
_ASK: Final = "Ask the operator of the channel."
_REGISTER: Final = (
    "Sign with the registered certificate, or have this one registered by the operator first."
)
_WHOLE: Final = "Send the FS as it was made, in binary mode, and let no program rewrite it."

CAUSES: Final[Mapping[Cause, Meaning]] = {
    Cause.EMPTY: Meaning("the FS holds nothing", "See why signing failed; then send its output."),
    Cause.TOO_LARGE: Meaning(
        "the FS is larger than a signature can be", f"It must not hold the FI. {_SIMPLY}"
    ),
    Cause.SMIME_HEADERS: Meaning(
        "the FS is a mail (S/MIME), as openssl makes without -outform DER",
        "Add -outform DER and encode that: openssl cms -sign -binary ... -outform DER | base64.",
    ),
    Cause.ARMOUR: Meaning(
        "the lines BEGIN and END around the base64 are not those of one CMS", _SIMPLY
    ),
    Cause.URL_SAFE_BASE64: Meaning(
        "the base64 is of the kind for web addresses", "Use the usual alphabet, with + and /."
    ),
    Cause.BASE64_PADDING: Meaning("the base64 breaks off, or is two texts in one", _WHOLE),
    Cause.NOT_BASE64: Meaning("the FS is neither base64 nor DER", _SIMPLY),
    Cause.MALFORMED: Meaning("the FS is no CMS structure, or a damaged one", _WHOLE),
    Cause.TOO_DEEP: Meaning("the CMS structure is nested deeper than a signature is", _SIMPLY),
    Cause.TRAILING_BYTES: Meaning(
        "something follows the signature in the FS", "Send the signature and nothing behind it."
    ),
    Cause.NOT_SIGNED_DATA: Meaning("the CMS structure is another one than a signature", _SIMPLY),
    Cause.VERSION: Meaning("a version in the CMS does not fit what it holds", _SIMPLY),
    Cause.CONTENT_TYPE: Meaning("the signature is about another type than data", _SIMPLY),
    Cause.ATTACHED: Meaning(
        "the FI is inside the FS",
        "Make a detached signature: without -nodetach; in other software, 'detached'.",
    ),
    Cause.CERTIFICATE_FORMAT: Meaning(
        "the FS holds a certificate that is not X.509", "Put only the signer's into it."
    ),
    Cause.EMBEDDED_CRLS: Meaning("revocation lists are in the FS", "Leave them out."),
    Cause.NO_SIGNER: Meaning(
        "the FS holds certificates and no signature, as of openssl crl2pkcs7", _SIGN
    ),
    Cause.SEVERAL_SIGNERS: Meaning(
        "more than one signed", "Sign once, without -resign, with the registered certificate."
    ),
    Cause.UNSIGNED_ATTRIBUTES: Meaning(
        "something was added to the signature later, such as a timestamp",
        "Sign in the plain form (CAdES-BES at most), without a timestamp.",
    ),
    Cause.NO_SIGNED_ATTRIBUTES: Meaning(
        "the signature has no signed attributes", "Leave -noattr out."
    ),
    Cause.ATTRIBUTES_NOT_DER: Meaning("the signed attributes are not in DER", _SIMPLY),
    Cause.ATTRIBUTE_TWICE: Meaning("a signed attribute stands there twice", _SIMPLY),
    Cause.ATTRIBUTE_MALFORMED: Meaning("a signed attribute is damaged", _SIMPLY),
    Cause.ATTRIBUTE_MISSING: Meaning("a signed attribute that must be there is missing", _SIMPLY),
    Cause.CONTENT_TYPE_ATTRIBUTE: Meaning("the signed content type is not data", _SIMPLY),
    Cause.ALGORITHM_PROTECTION: Meaning("the algorithms are named in two ways", _SIMPLY),
    Cause.SIGNING_CERTIFICATE_ATTRIBUTE: Meaning(
        "the signature names two certificates as the signer's", _SIMPLY
    ),
    Cause.DIGEST_NOT_ALLOWED: Meaning(
        "the digest is not SHA-256, SHA-384 or SHA-512",
        "Sign with -md sha256. Who cannot for now asks the operator for a dated exception (SHA-1).",
    ),
    Cause.DIGEST_NOT_ANNOUNCED: Meaning("the digest is not announced in the SignedData", _SIMPLY),
    Cause.SIGNATURE_ALGORITHM: Meaning(
        "the signature algorithm is not RSA or ECDSA as the channel takes them", _SIMPLY
    ),
    Cause.ALGORITHMS_DISAGREE: Meaning("the algorithms do not fit one another", _SIMPLY),
    Cause.PSS_PARAMETERS: Meaning(
        "the parameters of RSASSA-PSS are not right",
        "Use one digest for all: -md sha256 -keyopt rsa_padding_mode:pss.",
    ),
    Cause.SIGNATURE_WRONG: Meaning(
        "the signature is not of the registered certificate's key, or was damaged",
        "Use the key that belongs to the certificate, and send the FS unchanged.",
    ),
    Cause.DIGEST_DIFFERS: Meaning(
        "other bytes were signed than this FI has",
        "Sign the FI as it is sent: in binary, last of all, and send it in binary mode.",
    ),
    Cause.NO_CERTIFICATE_REGISTERED: Meaning("the channel has no certificate now", _ASK),
    Cause.OTHER_CERTIFICATE: Meaning("another certificate signed than is registered", _REGISTER),
    Cause.CERTIFICATE_NOT_YET_VALID: Meaning(
        "the certificate is not valid yet", "Sign with the former one until then."
    ),
    Cause.CERTIFICATE_EXPIRED: Meaning(
        "the certificate has expired",
        "Sign with a renewed certificate, once the operator has registered it.",
    ),
    Cause.KEY_NOT_ALLOWED: Meaning(
        "the certificate's key is too weak, or of another kind",
        "Get a certificate for RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521.",
    ),
    Cause.KEY_USAGE: Meaning(
        "the certificate is not for signing",
        "Use the one whose key usage is digitalSignature or nonRepudiation.",
    ),
    Cause.CRITICAL_EXTENSION: Meaning("the certificate demands what is not known here", _ASK),
    Cause.NOT_QUALIFIED: Meaning(
        "the certificate is not a qualified one", "Get one from a qualified trust service."
    ),
    Cause.CERTIFICATE_REVOKED: Meaning(
        "the certificate was revoked", "Get a new one, and have it registered by the operator."
    ),
    Cause.ISSUER_REVOKED: Meaning("the certificate's authority was revoked", _ASK),
    Cause.ISSUER_UNKNOWN: Meaning("the certificate's authority is not trusted", _ASK),
    Cause.ISSUER_NOT_CA: Meaning("the certificate was issued by what is no authority", _ASK),
    Cause.ISSUER_NOT_VALID: Meaning("the certificate's authority was not valid then", _ASK),
    Cause.ISSUER_SIGNATURE: Meaning("the certificate was not signed by its authority", _ASK),
    Cause.ISSUER_KEY: Meaning("the key of the certificate's authority is not admitted", _ASK),
    Cause.PATH_LENGTH: Meaning("an authority issued it that may not, so far down", _ASK),
    Cause.NAME_CONSTRAINTS: Meaning("its authority may not issue for such a name", _ASK),
    Cause.CERTIFICATE_POLICY: Meaning(
        "its policies are not those that its authorities demand", _ASK
    ),
}

DETAILS: Final[Mapping[Detail, Meaning]] = {
    Detail.CRLF: Meaning(
        "its lines end in LF where those that were signed end in CRLF: openssl without -binary, "
        "or a transfer in text mode",
        "Sign with -binary, and send in binary mode.",
    ),
    Detail.LF: Meaning(
        "its lines end in CRLF where those that were signed end in LF",
        "Sign the file as it is sent, and send in binary mode.",
    ),
    Detail.LONE_CR: Meaning(
        "its lines end in a lone CR where those that were signed do not",
        "Write LF or CRLF, then sign, and send in binary mode.",
    ),
    Detail.BOM_ADDED: Meaning(
        "it begins with a byte order mark that was not there when it was signed",
        "Sign last: an editor that saves the file again may add the mark.",
    ),
    Detail.BOM_REMOVED: Meaning(
        "it lost the byte order mark that it began with when it was signed",
        "Sign last, and let no program rewrite the file.",
    ),
    Detail.END_ADDED: Meaning(
        "a line end was added at its end after it was signed",
        "Sign last, and let no editor save it again.",
    ),
    Detail.END_REMOVED: Meaning(
        "the line end at its end was lost after it was signed",
        "Sign last, and let no program rewrite the file.",
    ),
    Detail.CTRL_Z: Meaning(
        "a Ctrl-Z (1A) at its end came or went after it was signed", "Send in binary mode."
    ),
    Detail.ENCODING: Meaning(
        "it was in another character encoding when it was signed",
        "Write UTF-8 first, then sign.",
    ),
    Detail.TEXT_HEADER: Meaning(
        "a header Content-Type was signed with it", "Leave -text out, and add -binary."
    ),
    Detail.DIGEST_OF_DIGEST: Meaning(
        "its digest was signed as if that were the file", "Give the file itself to be signed."
    ),
    Detail.EMPTY_FILE: Meaning(
        "an empty file was signed", "See that the FI is written and closed before it is signed."
    ),
    Detail.OTHER_PART: Meaning(
        "it is the signature of another part of the set",
        "Send each FS under the name of its own FI.",
    ),
    Detail.OTHER_FILE: Meaning(
        "it is the signature of an FI that was sent before",
        "Make a new FS for each FI, and send them under the same name.",
    ),
    Detail.EDITED_AFTER: Meaning(
        "the FI was changed after it was signed", "Sign it again, and leave it alone after that."
    ),
    Detail.UNEXPLAINED: Meaning(
        "no usual change explains it",
        "Compare its SHA-256 with that of the file that was signed.",
    ),
    Detail.NOT_TRIED: Meaning(
        "the FI is too large for the channel to look for the change",
        "Ask fla-batch check, which does.",
    ),
    Detail.TRUNCATED: Meaning("the FS lost its end", _WHOLE),
    Detail.TWICE_ENCODED: Meaning("the FS was put into base64 twice", "Encode it once."),
    Detail.PRIVATE_KEY: Meaning(
        "the FS is a private key, which is a secret no more",
        "Have its certificate revoked, make a new key, and tell the operator. "
        "The FS is the signature, never the key.",
    ),
    Detail.CERTIFICATE: Meaning(
        "the FS is a certificate, not a signature",
        f"Give the certificate to the operator, once. {_SIGN}",
    ),
    Detail.REQUEST: Meaning(
        "the FS is a certificate request", f"That is for your authority. {_SIGN}"
    ),
    Detail.PUBLIC_KEY: Meaning("the FS is a public key", _SIGN),
    Detail.ENCRYPTED: Meaning("the FS is encrypted, not signed", "Use -sign, not -encrypt."),
    Detail.BARE_SIGNATURE: Meaning(
        "the FS is the bare value of a signature, as of openssl dgst -sign", _SIGN
    ),
    Detail.HEXADECIMAL: Meaning("the FS is in hexadecimal", "Encode it in base64."),
    Detail.FOREIGN_SIGNATURE: Meaning(
        "the FS is a signature of another kind (OpenPGP, SSH, JWS)", _SIGN
    ),
    Detail.XML_SIGNATURE: Meaning("the FS is an XML signature (XAdES)", f"CMS is wanted. {_SIGN}"),
    Detail.XML: Meaning(
        "the FS is XML, as the FI is", f"Send the signature under the name FS. {_SIGN}"
    ),
    Detail.PDF: Meaning("the FS is a PDF", _SIGN),
    Detail.ZIP: Meaning("the FS is a ZIP archive", f"Send the FS itself, unpacked. {_SIGN}"),
    Detail.UNICODE: Meaning(
        "the FS was saved as Unicode text, with a byte order mark or two bytes for a character",
        "Save it as plain ASCII; in PowerShell, not with > or Out-File.",
    ),
    Detail.FORMER: Meaning("the certificate is one the channel used before", _REGISTER),
    Detail.NEXT: Meaning(
        "the certificate is registered for later", "Sign with the present one until then."
    ),
    Detail.RENEWED: Meaning(
        "the certificate is a renewed one, with the key of the registered one", _REGISTER
    ),
    Detail.AUTHORITY: Meaning("the certificate is an authority's, not the sender's", _REGISTER),
}
