"""What an archive of evidence holds, under which names, in which order.

    verdict.txt                     for a person
    institution.crt                 whose key signed the index and the answers, PEM
    content-1/content.json          what the database said of the set: state, findings, answers
    content-1/manifest.json         what was sealed
    content-1/set/...               FI, FS, GO, byte for byte
    content-1/answers/...           FO (or CO), FS, GO of each answer, as the sender got them
    content-1/proofs/FI....json     how the signature of that FI was judged
    grounds/<sha256>.json           by what: certificates, rules, sources, by name
    material/<sha256>.cer .crl .ocsp   their bytes, DER
    chain/0000000017.txt            links: those of the set, the ones before and after, the first
    index.json                      each member with its size and SHA-256
    index.p7s                       CMS, detached: the institution's signature over index.json

A stem under which other contents came has content-2 and so on.
"""

from __future__ import annotations

from batch.evidence.grounds import MaterialKind
from batch.evidence.stored import is_name

FORMAT = "fla-batch evidence 1"
VERDICT = "verdict.txt"
INSTITUTION = "institution.crt"
INDEX = "index.json"
INDEX_SIGNATURE = "index.p7s"

_ENDS = {
    MaterialKind.CERTIFICATE: "cer",
    MaterialKind.CRL: "crl",
    MaterialKind.OCSP: "ocsp",
}


def content(ordinal: int, name: str) -> str:
    """A document of one content of the stem."""
    return f"content-{ordinal}/{name}"


def sealed_file(ordinal: int, place: int, name: str) -> str:
    """A sealed file under its own name; one that no path may have is called by its place."""
    own = f"content-{ordinal}/set/{name}"
    return own if "/" not in name and is_name(own) else f"content-{ordinal}/set/{place}"


def answer_file(ordinal: int, name: str) -> str:
    return f"content-{ordinal}/answers/{name}"


def proof(ordinal: int, place: int, part: str) -> str:
    own = f"content-{ordinal}/proofs/{part}.json"
    return own if "/" not in part and is_name(own) else f"content-{ordinal}/proofs/{place}.json"


def grounds(sha256: str) -> str:
    return f"grounds/{sha256}.json"


def material(kind: MaterialKind, sha256: str) -> str:
    return f"material/{sha256}.{_ENDS[kind]}"


def link(position: int) -> str:
    return f"chain/{position:010d}.txt"
