"""The nine steps of ``batch.signing.verification`` as an auditor reads them, and where each ends.

A test keeps the steps the same as those of the module, and gives every cause a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batch.signing.verdict import Cause


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is shown by it, and the clause it rests on."""

    number: int
    words: str
    clause: str


STEPS: Final = (
    Step(
        1,
        "the file is base64 (or DER) of one SignedData, and nothing else",
        "contract 2; RFC 5652 3",
    ),
    Step(
        2,
        "its form is the channel's: version, type data, detached, no CRLs",
        "RFC 5652 5.1; annex 25",
    ),
    Step(3, "it has exactly one signer, without unsigned attributes", "RFC 5652 5.3; annex 25"),
    Step(
        4,
        "the signed attributes are there, in DER, once each, about data",
        "RFC 5652 5.3, 11.1, 11.2",
    ),
    Step(5, "the signer is a certificate registered for the channel", "protocol 3.3"),
    Step(
        6,
        "that certificate may sign at the sealing instant, and is not revoked",
        "RFC 5280 6.1, 6.3",
    ),
    Step(7, "the algorithms are admitted and agree with one another", "RFC 5652 5.3; RFC 6211"),
    Step(
        8,
        "the signature over the signed attributes is that certificate's",
        "RFC 5652 5.4, 5.6",
    ),
    Step(9, "the digest of the FI is the one in the signed attributes", "RFC 5652 5.4, 11.2"),
)

_STOPS: Final = {
    1: {
        *(Cause.EMPTY, Cause.TOO_LARGE, Cause.SMIME_HEADERS, Cause.ARMOUR, Cause.URL_SAFE_BASE64),
        *(Cause.BASE64_PADDING, Cause.NOT_BASE64, Cause.MALFORMED, Cause.TOO_DEEP),
        *(Cause.TRAILING_BYTES, Cause.NOT_SIGNED_DATA),
    },
    2: {
        *(Cause.VERSION, Cause.CONTENT_TYPE, Cause.ATTACHED, Cause.CERTIFICATE_FORMAT),
        Cause.EMBEDDED_CRLS,
    },
    3: {Cause.NO_SIGNER, Cause.SEVERAL_SIGNERS, Cause.UNSIGNED_ATTRIBUTES},
    4: {
        *(Cause.NO_SIGNED_ATTRIBUTES, Cause.ATTRIBUTES_NOT_DER, Cause.ATTRIBUTE_TWICE),
        *(Cause.ATTRIBUTE_MALFORMED, Cause.ATTRIBUTE_MISSING, Cause.CONTENT_TYPE_ATTRIBUTE),
    },
    5: {Cause.NO_CERTIFICATE_REGISTERED, Cause.OTHER_CERTIFICATE},
    7: {
        *(Cause.DIGEST_NOT_ALLOWED, Cause.DIGEST_NOT_ANNOUNCED, Cause.SIGNATURE_ALGORITHM),
        *(Cause.ALGORITHMS_DISAGREE, Cause.PSS_PARAMETERS, Cause.ALGORITHM_PROTECTION),
        Cause.SIGNING_CERTIFICATE_ATTRIBUTE,
    },
    8: {Cause.SIGNATURE_WRONG},
    9: {Cause.DIGEST_DIFFERS},
}
_OF_THE_CERTIFICATE: Final = 6


def step_of(cause: Cause) -> int:
    """The step that ends with this cause; what is the certificate's fault ends the sixth."""
    for number, causes in _STOPS.items():
        if cause in causes:
            return number
    return _OF_THE_CERTIFICATE
