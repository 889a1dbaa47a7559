"""The FS file: base64 around a SignedData (protocol section 3.1, contract section 2).

Read: one line, lines of any length, ended by LF, CRLF or a lone CR; with or without PEM armour;
or bare DER. Written: one line, nothing else.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from batch.signing.verdict import Cause, NotSigned

_SEQUENCE: Final = b"\x30"  # ASCII "0"; base64 of a SEQUENCE begins with "M", so no text has it
_BASE64_OF_SEQUENCE: Final = b"MI"  # as DER: an element that no SignedData begins with
_WHITESPACE: Final = b" \t\r\n"
_ARMOUR: Final = re.compile(
    rb"-----BEGIN (CMS|PKCS7|PKCS #7 SIGNED DATA)-----[ \t]*[\r\n](.*?)-----END \1-----", re.DOTALL
)
_MIME_HEADER: Final = re.compile(rb"(mime-version|content-[a-z-]+|to|from|subject):", re.IGNORECASE)
_ALPHABET: Final = re.compile(rb"[A-Za-z0-9+/]*(=*)")


def encode(der: bytes) -> bytes:
    """The FS of a SignedData: base64 in one line, without a line end."""
    return base64.b64encode(der)


def decode(fs: bytes, limit: int) -> bytes | NotSigned:
    """The bytes of the SignedData that ``fs`` carries. ``limit`` bounds ``fs``, in bytes."""
    if len(fs) > limit:
        return NotSigned(
            Cause.TOO_LARGE, f"The FS has {len(fs)} bytes; {limit} is the most a signature needs."
        )
    text = fs.strip(_WHITESPACE)
    if not text:
        return NotSigned(Cause.EMPTY, "The FS is empty.")
    if fs.startswith(_SEQUENCE):
        return fs
    if _MIME_HEADER.match(text):
        return NotSigned(
            Cause.SMIME_HEADERS, "The FS is an S/MIME message; only its base64 body is wanted."
        )
    if b"-----" in text:
        return _armoured(text)
    return _plain(text)


def _armoured(text: bytes) -> bytes | NotSigned:
    found = _ARMOUR.fullmatch(text)
    if found is None or b"-----" in found[2]:
        return NotSigned(
            Cause.ARMOUR,
            "The FS is not exactly one block from BEGIN CMS (or PKCS7) to END of the same.",
        )
    return _plain(found[2])


def _plain(text: bytes) -> bytes | NotSigned:
    compact = text.translate(None, _WHITESPACE)
    found = _ALPHABET.fullmatch(compact)
    if found is None:
        return _foreign(compact)
    if len(compact) % 4 or len(found[1]) > 2:
        return NotSigned(
            Cause.BASE64_PADDING, "The base64 of the FS breaks off: its length is no multiple of 4."
        )
    try:
        der = base64.b64decode(compact, validate=True)
    except binascii.Error:
        return NotSigned(Cause.NOT_BASE64, "The FS is not base64.")
    if base64.b64encode(der) != compact:
        return NotSigned(
            Cause.BASE64_PADDING, "The last base64 character of the FS has bits that mean nothing."
        )
    if der.startswith(_BASE64_OF_SEQUENCE):
        return NotSigned(
            Cause.NOT_BASE64, "The FS is the base64 of base64 text; once is what is wanted."
        )
    return der


def _foreign(compact: bytes) -> NotSigned:
    if re.fullmatch(rb"[A-Za-z0-9_-]*=*", compact):
        return NotSigned(
            Cause.URL_SAFE_BASE64, "The FS is in the URL-safe base64 alphabet (- and _)."
        )
    if re.fullmatch(rb"[A-Za-z0-9+/=]*", compact):
        return NotSigned(
            Cause.BASE64_PADDING, "The FS has base64 padding before its end, as of two texts."
        )
    if compact.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return NotSigned(
            Cause.NOT_BASE64, "The FS begins with a byte order mark: it was saved as Unicode text."
        )
    return NotSigned(Cause.NOT_BASE64, "The FS holds characters that are not base64.")
