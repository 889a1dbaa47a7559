"""One change each to a right FS, to its DER, or to what its SignedData is made of."""

from __future__ import annotations

from collections.abc import Callable

from batch.signing.verdict import Cause
from tests.unit.signing.craft import (
    CONTENT_TYPE,
    DATA,
    DIGEST_OIDS,
    ECDSA_SHA256,
    MESSAGE_DIGEST,
    NULL,
    SIGNING_TIME,
    Recipe,
    algorithm,
    attribute,
    attributes_of,
    integer,
    oid,
    pss_algorithm,
    seq,
    tlv,
)
from tests.unit.signing.pki import FI

PROTECTION = "1.2.840.113549.1.9.52"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"


def _lines(text: bytes) -> bytes:
    return b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))


def _url_safe(text: bytes) -> bytes:
    return text.replace(b"+", b"-").replace(b"/", b"_")


def _unpadded(fs: bytes) -> bytes:
    return fs.rstrip(b"=")[:-1] if len(fs.rstrip(b"=")) % 4 == 0 else fs.rstrip(b"=")


FS_CHANGES: list[tuple[Cause, str, Callable[[bytes], bytes]]] = [
    (Cause.EMPTY, "no bytes", lambda fs: b""),
    (Cause.EMPTY, "only line ends", lambda fs: b"\r\n\n"),
    (Cause.TOO_LARGE, "a megabyte", lambda fs: fs * 1000),
    (Cause.SMIME_HEADERS, "smime", lambda fs: b"MIME-Version: 1.0\nContent-Type: x\n\n" + fs),
    (
        Cause.ARMOUR,
        "certificate label",
        lambda fs: b"-----BEGIN CERTIFICATE-----\n" + _lines(fs) + b"\n-----END CERTIFICATE-----\n",
    ),
    (
        Cause.ARMOUR,
        "labels differ",
        lambda fs: b"-----BEGIN CMS-----\n" + fs + b"\n-----END PKCS7-----",
    ),
    (Cause.ARMOUR, "no end", lambda fs: b"-----BEGIN CMS-----\n" + fs),
    (
        Cause.ARMOUR,
        "text before",
        lambda fs: b"FS:\n-----BEGIN CMS-----\n" + fs + b"\n-----END CMS-----",
    ),
    (Cause.URL_SAFE_BASE64, "alphabet", lambda fs: b"-_" + _url_safe(fs[2:])),
    (Cause.BASE64_PADDING, "cut", _unpadded),
    (Cause.BASE64_PADDING, "meaningless bits", lambda fs: b"MAB="),
    (Cause.BASE64_PADDING, "three signs", lambda fs: b"MAAA" * 4 + b"M==="),
    (Cause.BASE64_PADDING, "two texts", lambda fs: b"MAA=" + b"MAAA"),
    (Cause.NOT_BASE64, "words", lambda fs: b"signed by me!"),
    (Cause.NOT_BASE64, "byte order mark", lambda fs: b"\xef\xbb\xbf" + fs),
    (Cause.NOT_BASE64, "a NUL at the end", lambda fs: fs + b"\x00"),
]
DER_CHANGES: list[tuple[Cause, str, Callable[[bytes], bytes]]] = [
    (Cause.MALFORMED, "cut", lambda der: der[:-1]),
    (Cause.MALFORMED, "an INTEGER", lambda der: integer(1)),
    (Cause.MALFORMED, "no fields", lambda der: seq()),
    (Cause.MALFORMED, "no content", lambda der: seq(oid("1.2.840.113549.1.7.2"))),
    (Cause.MALFORMED, "empty content", lambda der: seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0))),
    (Cause.MALFORMED, "a field more", lambda der: seq(der[4:], NULL)),
    (
        Cause.MALFORMED,
        "an endless number",
        lambda der: seq(
            oid("1.2.840.113549.1.7.2"), tlv(0xA0, seq(tlv(2, b"\x7f" * 20000), tlv(0x31)))
        ),
    ),
    (Cause.MALFORMED, "lengths without end", lambda der: b"\x30\x80" * 2000),
    (Cause.TRAILING_BYTES, "one byte", lambda der: der + b"\x00"),
    (Cause.TRAILING_BYTES, "a line end inside base64", lambda der: der + b"\n"),
    (Cause.NOT_SIGNED_DATA, "data", lambda der: seq(oid(DATA), tlv(0xA0, tlv(4, b"x")))),
]
RECIPE_CHANGES: list[tuple[Cause, str, Callable[[Recipe], Recipe]]] = [
    (Cause.VERSION, "5", lambda r: r.but(version=5)),
    (Cause.VERSION, "signer 3 by serial", lambda r: r.but(signer_version=3)),
    (Cause.VERSION, "signer 1 by key", lambda r: r.but(version=3, sid=tlv(0x80, b"k" * 20))),
    (
        Cause.VERSION,
        "data 1, signer 3",
        lambda r: r.but(signer_version=3, sid=tlv(0x80, b"k" * 20)),
    ),
    (Cause.CONTENT_TYPE, "signedData", lambda r: r.but(content_type="1.2.840.113549.1.7.2")),
    (Cause.ATTACHED, "the FI", lambda r: r.but(content=tlv(0xA0, tlv(4, FI)))),
    (Cause.ATTACHED, "nothing", lambda r: r.but(content=tlv(0xA0, tlv(4)))),
    (Cause.CERTIFICATE_FORMAT, "other", lambda r: r.but(certificates=(tlv(0xA1, integer(1)),))),
    (Cause.EMBEDDED_CRLS, "empty", lambda r: r.but(crls=tlv(0xA1))),
    (Cause.NO_SIGNER, "certificates only", lambda r: r.but(signers=0)),
    (Cause.SEVERAL_SIGNERS, "twice the same", lambda r: r.but(signers=2)),
    (
        Cause.UNSIGNED_ATTRIBUTES,
        "one",
        lambda r: r.but(unsigned=tlv(0xA1, attribute(SIGNING_TIME, NULL))),
    ),
    (Cause.UNSIGNED_ATTRIBUTES, "none in it", lambda r: r.but(unsigned=tlv(0xA1))),
    (Cause.NO_SIGNED_ATTRIBUTES, "signed FI itself", lambda r: r.but(attributes=None)),
    (
        Cause.ATTRIBUTES_NOT_DER,
        "not in order",
        lambda r: r.but(arrange=lambda a: tlv(0x31, *sorted(a, reverse=True))),
    ),
    (
        Cause.ATTRIBUTES_NOT_DER,
        "long length",
        lambda r: r.but(
            arrange=lambda a: (
                b"\x31\x82" + sum(map(len, a)).to_bytes(2, "big") + b"".join(sorted(a))
            ),
        ),
    ),
    (
        Cause.ATTRIBUTES_NOT_DER,
        "indefinite",
        lambda r: r.but(arrange=lambda a: b"\x31\x80" + b"".join(sorted(a)) + b"\x00\x00"),
    ),
    (
        Cause.ATTRIBUTES_NOT_DER,
        "digest in pieces",
        lambda r: r.but(
            attributes=(
                *attributes_of(FI)[:2],
                attribute(MESSAGE_DIGEST, tlv(0x24, tlv(0x04, b"x" * 32))),
            )
        ),
    ),
    (
        Cause.ATTRIBUTE_TWICE,
        "two digests",
        lambda r: r.but(attributes=attributes_of(FI) + attributes_of(b"other")[2:]),
    ),
    (
        Cause.ATTRIBUTE_MALFORMED,
        "two values",
        lambda r: r.but(
            attributes=(
                *attributes_of(FI)[:2],
                attribute(MESSAGE_DIGEST, tlv(4, b"x" * 32), tlv(4, b"y" * 32)),
            )
        ),
    ),
    (
        Cause.ATTRIBUTE_MALFORMED,
        "no value",
        lambda r: r.but(attributes=(*attributes_of(FI)[:2], attribute(MESSAGE_DIGEST))),
    ),
    (
        Cause.ATTRIBUTE_MALFORMED,
        "31 February",
        lambda r: r.but(
            attributes=(
                *attributes_of(FI)[::2],
                attribute(SIGNING_TIME, tlv(0x17, b"260231100000Z")),
            )
        ),
    ),
    (
        Cause.ATTRIBUTE_MALFORMED,
        "countersigned",
        lambda r: r.but(attributes=(*attributes_of(FI), attribute("1.2.840.113549.1.9.6", seq()))),
    ),
    (
        Cause.ATTRIBUTE_MISSING,
        "digest",
        lambda r: r.but(attributes=attributes_of(FI)[:2]),
    ),
    (
        Cause.ATTRIBUTE_MISSING,
        "content type",
        lambda r: r.but(attributes=attributes_of(FI)[1:]),
    ),
    (
        Cause.CONTENT_TYPE_ATTRIBUTE,
        "signedData",
        lambda r: r.but(
            attributes=(
                attribute(CONTENT_TYPE, oid("1.2.840.113549.1.7.2")),
                *attributes_of(FI)[1:],
            )
        ),
    ),
    (
        Cause.ALGORITHM_PROTECTION,
        "other digest",
        lambda r: r.but(
            attributes=(
                *attributes_of(FI),
                attribute(
                    PROTECTION,
                    seq(
                        algorithm(DIGEST_OIDS["sha512"]),
                        tlv(0xA1, oid("1.2.840.113549.1.1.1"), NULL),
                    ),
                ),
            )
        ),
    ),
    (
        Cause.SIGNING_CERTIFICATE_ATTRIBUTE,
        "other hash",
        lambda r: r.but(
            attributes=(
                *attributes_of(FI),
                attribute(SIGNING_CERTIFICATE_V2, seq(seq(seq(tlv(4, b"h" * 32))))),
            )
        ),
    ),
    (
        Cause.DIGEST_NOT_ALLOWED,
        "MD5",
        lambda r: r.but(digest="md5", attributes=attributes_of(FI, "md5")),
    ),
    (
        Cause.DIGEST_NOT_ALLOWED,
        "SHA-1",
        lambda r: r.but(digest="sha1", attributes=attributes_of(FI, "sha1")),
    ),
    (
        Cause.DIGEST_NOT_ALLOWED,
        "parameters",
        lambda r: r.but(digest_algorithm=algorithm(DIGEST_OIDS["sha256"], integer(1))),
    ),
    (Cause.DIGEST_NOT_ANNOUNCED, "none", lambda r: r.but(announced=())),
    (
        Cause.DIGEST_NOT_ANNOUNCED,
        "another",
        lambda r: r.but(announced=(algorithm(DIGEST_OIDS["sha512"]),)),
    ),
    (
        Cause.MALFORMED,
        "endless list",
        lambda r: r.but(announced=(algorithm(DIGEST_OIDS["sha256"]),) * 600),
    ),
    (
        Cause.PSS_PARAMETERS,
        "trailer 2",
        lambda r: r.but(
            pss_salt=32,
            signature_algorithm=pss_algorithm("sha256", 32, more=tlv(0xA3, integer(2))),
        ),
    ),
    (
        Cause.SIGNATURE_ALGORITHM,
        "DSA",
        lambda r: r.but(signature_algorithm=algorithm("2.16.840.1.101.3.4.3.2")),
    ),
    (
        Cause.SIGNATURE_ALGORITHM,
        "parameters",
        lambda r: r.but(signature_algorithm=algorithm("1.2.840.113549.1.1.1", integer(1))),
    ),
    (
        Cause.ALGORITHMS_DISAGREE,
        "sha512WithRSA over SHA-256",
        lambda r: r.but(signature_algorithm=algorithm("1.2.840.113549.1.1.13", NULL)),
    ),
    (
        Cause.ALGORITHMS_DISAGREE,
        "ECDSA with an RSA key",
        lambda r: r.but(signature_algorithm=algorithm(ECDSA_SHA256)),
    ),
    (
        Cause.PSS_PARAMETERS,
        "absent",
        lambda r: r.but(pss_salt=32, signature_algorithm=algorithm("1.2.840.113549.1.1.10")),
    ),
    (
        Cause.PSS_PARAMETERS,
        "defaults",
        lambda r: r.but(pss_salt=32, signature_algorithm=algorithm("1.2.840.113549.1.1.10", seq())),
    ),
    (
        Cause.PSS_PARAMETERS,
        "other digest",
        lambda r: r.but(pss_salt=32, signature_algorithm=pss_algorithm("sha512", 32)),
    ),
    (
        Cause.PSS_PARAMETERS,
        "other mask",
        lambda r: r.but(pss_salt=32, signature_algorithm=pss_algorithm("sha256", 32, "sha1")),
    ),
    (
        Cause.PSS_PARAMETERS,
        "endless salt",
        lambda r: r.but(pss_salt=32, signature_algorithm=pss_algorithm("sha256", 2**40)),
    ),
    (Cause.SIGNATURE_WRONG, "zeros", lambda r: r.but(damage=bytes(256))),
    (Cause.SIGNATURE_WRONG, "short", lambda r: r.but(damage=b"\x01")),
    (Cause.SIGNATURE_WRONG, "empty", lambda r: r.but(damage=b"")),
    (
        Cause.SIGNATURE_WRONG,
        "other salt",
        lambda r: r.but(pss_salt=32, signature_algorithm=pss_algorithm("sha256", 20)),
    ),
    (
        Cause.SIGNATURE_WRONG,
        "salt longer than the key",
        lambda r: r.but(pss_salt=32, signature_algorithm=pss_algorithm("sha256", 900)),
    ),
    (
        Cause.DIGEST_DIFFERS,
        "signed with CRLF",
        lambda r: r.but(attributes=attributes_of(FI.replace(b"\n", b"\r\n"))),
    ),
    (
        Cause.DIGEST_DIFFERS,
        "digest too short",
        lambda r: r.but(
            attributes=(*attributes_of(FI)[:2], attribute(MESSAGE_DIGEST, tlv(4, b"")))
        ),
    ),
]
