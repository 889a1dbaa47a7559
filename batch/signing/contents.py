"""What a file is that should be an FS and is none: told by its first bytes, and no more.

Only for words. Nothing of the content is ever quoted: it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from batch.signing.causes import Detail

_ENOUGH: Final = 64 * 1024  # bytes; all that is looked at, whatever the size of the file
_LABELS: Final = (
    (re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"), Detail.PRIVATE_KEY),
    (re.compile(rb"-----BEGIN (NEW )?CERTIFICATE REQUEST"), Detail.REQUEST),
    (re.compile(rb"-----BEGIN (X509 |TRUSTED )?CERTIFICATE"), Detail.CERTIFICATE),
    (re.compile(rb"-----BEGIN [A-Z ]*PUBLIC KEY|ssh-(rsa|ed25519) "), Detail.PUBLIC_KEY),
    (re.compile(rb"-----BEGIN (PGP|SSH) "), Detail.FOREIGN_SIGNATURE),
    (re.compile(rb"%PDF"), Detail.PDF),
    (re.compile(rb"PK\x03\x04"), Detail.ZIP),
    (re.compile(rb"eyJ"), Detail.FOREIGN_SIGNATURE),
    (re.compile(rb"\xff\xfe|\xfe\xff|\xef\xbb\xbf|.\x00.\x00", re.DOTALL), Detail.UNICODE),
)
_XML_SIGNATURE: Final = b"http://www.w3.org/2000/09/xmldsig#"
_OID_RSA: Final = bytes.fromhex("06092a864886f70d010101")
_OID_EC: Final = bytes.fromhex("06072a8648ce3d0201")
_OID_ENVELOPED: Final = bytes.fromhex("06092a864886f70d010703")
_SIGNATURE_SIZES: Final = frozenset(range(64, 73)) | {128, 256, 384, 512}
"""Bytes of a bare value: ECDSA on P-256 (r and s, or DER), RSA of 1024 to 4096 bits."""


def what_is(fs: bytes) -> Detail | None:
    """What ``fs`` is instead of an FS; None when that cannot be said."""
    text = fs[:_ENOUGH].lstrip(b" \t\r\n")
    for mark, detail in _LABELS:
        if mark.match(text) or (detail is Detail.PRIVATE_KEY and mark.search(text)):
            return detail
    if text.startswith(b"<"):
        return Detail.XML_SIGNATURE if _XML_SIGNATURE in text else Detail.XML
    compact = text.translate(None, b" \t\r\n:")
    if re.fullmatch(rb"[0-9a-fA-F]{64,}", compact):
        return Detail.HEXADECIMAL
    decoded = _decoded(text)
    if re.match(rb"M[A-Za-z0-9+/\r\n]{60}", decoded):
        return Detail.TWICE_ENCODED
    return _of_der(decoded or fs[:_ENOUGH])


def announced(fs: bytes) -> int | None:
    """How many bytes the outermost DER element says it has; None when there is none to ask."""
    der = _decoded(fs) if not fs.startswith(b"\x30") else fs
    if len(der) < 6 or der[0] != 0x30:
        return None
    count = der[1] & 0x7F
    if der[1] < 0x80:
        return 2 + der[1]
    if not 1 <= count <= 4:
        return None
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def _decoded(text: bytes) -> bytes:
    """As much of the base64 as there is, without armour; empty when it is no base64."""
    compact = re.sub(rb"-----[^-]*(-----)?", b"", text).translate(None, b" \t\r\n=")
    if not re.fullmatch(rb"[A-Za-z0-9+/]*", compact):
        return b""
    try:
        whole = compact[:-1] if len(compact) % 4 == 1 else compact
        return base64.b64decode(whole + b"=" * (-len(whole) % 4))
    except binascii.Error:
        return b""


def _of_der(der: bytes) -> Detail | None:
    """The few structures that are mistaken for a signature, by how they begin."""
    if len(der) in _SIGNATURE_SIZES and announced(der) in (None, len(der)):
        return Detail.BARE_SIGNATURE
    if len(der) < 32 or der[0] != 0x30:
        return None
    head = 2 + (der[1] & 0x7F if der[1] >= 0x80 else 0)
    inside = der[head : head + 40]
    if re.match(rb"\x02\x01[\x00\x01](\x02|\x30|\x04)|\x02\x01\x03\x30", inside, re.DOTALL):
        return Detail.PRIVATE_KEY  # PKCS #1, PKCS #8 and SEC 1; PKCS #12
    if inside.startswith(_OID_ENVELOPED):
        return Detail.ENCRYPTED
    return _of_a_key(der, head)


def _of_a_key(der: bytes, head: int) -> Detail | None:
    """A public key; or what holds one: a SEQUENCE that begins with what is signed, a SEQUENCE."""
    if any(oid in der[head : head + 14] for oid in (_OID_RSA, _OID_EC)):
        return Detail.PUBLIC_KEY
    if der[head] != 0x30 or len(der) < head + 8:
        return None
    inner = head + 2 + (der[head + 1] & 0x7F if der[head + 1] >= 0x80 else 0)
    if der[inner : inner + 5] == b"\xa0\x03\x02\x01\x02":
        return Detail.CERTIFICATE
    return Detail.REQUEST if der[inner : inner + 3] == b"\x02\x01\x00" else None
