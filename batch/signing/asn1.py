"""BER read one level at a time (X.690), bounded; and the question whether it is DER.

asn1crypto is not used for reading: its classes parse lazily, forgive tags and raise late, and its
parser spends what a hostile file asks for. Here every level is read when it is asked for, the cost
is bounded, and whatever is wrong is one exception, ``Malformed``, which the readers of this package
turn into a value at their door.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from batch.signing.verdict import Cause, NotSigned

BOOLEAN: Final = 1
INTEGER: Final = 2
BIT_STRING: Final = 3
OCTET_STRING: Final = 4
NULL: Final = 5
OBJECT_IDENTIFIER: Final = 6
SEQUENCE: Final = 16
SET: Final = 17
UTC_TIME: Final = 23
GENERALIZED_TIME: Final = 24

UNIVERSAL: Final = 0
CONTEXT: Final = 2

_CONSTRUCTED_TYPES: Final = frozenset({8, 11, SEQUENCE, SET})
_MAX_DEPTH: Final = 16  # SignedData down to an attribute's value is 8; the rest is for CAdES
_MAX_CHILDREN: Final = 512  # the widest list here is S/MIME capabilities, about 10
_MAX_SCANNED: Final = 2048  # an FS with indefinite lengths everywhere has about 100 elements
_MAX_TAG_OCTETS: Final = 3  # no field of an FS has a tag number above 30
_MAX_LENGTH_OCTETS: Final = 8  # X.690 allows 126; an FS has at most 64 KiB
_MAX_OID: Final = 64  # bytes; the longest assigned ones are under 20
_MAX_INTEGER: Final = 128  # bytes; a serial number has at most 20 (RFC 5280 4.1.2.2)

_TOO_DEEP: Final = f"The structure is more than {_MAX_DEPTH} levels deep."
_BREAKS_OFF: Final = "The structure breaks off or its lengths do not add up."


class Malformed(Exception):
    """The bytes break the norm. Never leaves this package: readers return ``refusal``."""

    def __init__(self, words: str, cause: Cause = Cause.MALFORMED) -> None:
        super().__init__(words)
        self.refusal = NotSigned(cause, words)


class Element(NamedTuple):
    """One BER element: its tag, its whole encoding, its contents, how deep it lies."""

    tag_class: int
    constructed: bool
    tag: int
    encoded: bytes
    contents: bytes
    depth: int

    def universal(self, tag: int) -> bool:
        return self.tag_class == UNIVERSAL and self.tag == tag

    def context(self, tag: int) -> bool:
        return self.tag_class == CONTEXT and self.tag == tag


def _head(encoded: bytes, at: int) -> tuple[int, int, int | None]:
    """The tag number of the element at ``at``, where its contents begin, and how long they are.

    None stands for an indefinite length (X.690 8.1.3.6).
    """
    try:
        first, tag, at = encoded[at], encoded[at] & 0x1F, at + 1
        if tag == 0x1F:
            tag, at = _long_tag(encoded, at)
        length, at = encoded[at], at + 1
    except IndexError:
        raise Malformed(_BREAKS_OFF) from None
    if length == 0x80:
        if not first & 0x20:  # X.690 8.1.3.2 (a)
            raise Malformed("A plain value has an indefinite length.")
        return tag, at, None
    if length > 0x80:
        octets = length & 0x7F
        if octets > _MAX_LENGTH_OCTETS:
            raise Malformed("A length is unreasonably long.")
        length, at = int.from_bytes(encoded[at : at + octets], "big"), at + octets
    if at + length > len(encoded):
        raise Malformed(_BREAKS_OFF)
    return tag, at, length


def _long_tag(encoded: bytes, at: int) -> tuple[int, int]:
    """A tag number above 30, shortest form, which BER asks for too (X.690 8.1.2.4.2)."""
    tag = 0
    for position in range(at, at + _MAX_TAG_OCTETS):
        tag = tag << 7 | encoded[position] & 0x7F
        if tag == 0:
            break
        if encoded[position] < 0x80 and tag > 30:
            return tag, position + 1
    raise Malformed("A tag number is malformed or unreasonably long.")


def _end_of_contents(encoded: bytes, at: int) -> int:
    """Where the end-of-contents octets lie that close the indefinite length before ``at``."""
    within = 1
    for _ in range(_MAX_SCANNED):
        if encoded[at : at + 2] == b"\x00\x00":
            within -= 1
            if not within:
                return at
            at += 2
            continue
        _, at, length = _head(encoded, at)
        if length is not None:
            at += length
        elif (within := within + 1) > _MAX_DEPTH:
            raise Malformed(_TOO_DEEP, Cause.TOO_DEEP)
    raise Malformed(f"An indefinite length holds more than {_MAX_SCANNED} elements.")


def _next(encoded: bytes, at: int, depth: int) -> Element:
    if depth > _MAX_DEPTH:
        raise Malformed(_TOO_DEEP, Cause.TOO_DEEP)
    tag, begin, length = _head(encoded, at)
    if length is None:
        end = _end_of_contents(encoded, begin)
        whole = encoded[at : end + 2]
    else:
        end = begin + length
        whole = encoded[at:end]
    first = encoded[at]
    return Element(first >> 6, bool(first & 0x20), tag, whole, encoded[begin:end], depth)


def read(encoded: bytes) -> Element:
    """The one element that ``encoded`` holds; Malformed when bytes follow it (TRAILING_BYTES)."""
    element = _next(encoded, 0, 0)
    if len(element.encoded) != len(encoded):
        surplus = len(encoded) - len(element.encoded)
        raise Malformed(f"{surplus} bytes follow the structure.", Cause.TRAILING_BYTES)
    return element


def children(element: Element) -> tuple[Element, ...]:
    """The elements directly inside a constructed element."""
    if not element.constructed:
        raise Malformed("A structure was expected where a plain value stands.")
    found: list[Element] = []
    at = 0
    while at < len(element.contents):
        if len(found) == _MAX_CHILDREN:
            raise Malformed(f"A list has more than {_MAX_CHILDREN} members.")
        child = _next(element.contents, at, element.depth + 1)
        found.append(child)
        at += len(child.encoded)
    return tuple(found)


class Fields:
    """The fields of a SEQUENCE taken in order, as its grammar lists them."""

    def __init__(self, element: Element, what: str) -> None:
        if not element.universal(SEQUENCE):
            raise Malformed(f"{what} is not a SEQUENCE.")
        self._what = what
        self._rest = list(reversed(children(element)))

    def take(self, tag: int, name: str) -> Element:
        """The next field, of this universal type."""
        if not self._rest or not self._rest[-1].universal(tag):
            raise Malformed(f"{self._what} lacks {name}.")
        return self._rest.pop()

    def any(self, name: str) -> Element:
        """The next field, of whatever type."""
        if not self._rest:
            raise Malformed(f"{self._what} lacks {name}.")
        return self._rest.pop()

    def context(self, tag: int) -> Element | None:
        """The next field when it has this context tag, else None."""
        if self._rest and self._rest[-1].context(tag):
            return self._rest.pop()
        return None

    def optional(self) -> Element | None:
        """The next field, or None at the end."""
        return self._rest.pop() if self._rest else None

    def end(self) -> None:
        if self._rest:
            raise Malformed(f"{self._what} holds a field that the norm does not give it.")


def only(elements: Iterable[Element], what: str) -> Element:
    """The single member of a list."""
    members = tuple(elements)
    if len(members) != 1:
        raise Malformed(f"{what} has {len(members)} members instead of one.")
    return members[0]


def integer(element: Element) -> int:
    """The value of an INTEGER; shortest form, which BER asks for too (X.690 8.3.2)."""
    raw = element.contents
    if element.constructed or not 1 <= len(raw) <= _MAX_INTEGER or not _shortest(raw):
        raise Malformed("An INTEGER is malformed or unreasonably long.")
    return int.from_bytes(raw, "big", signed=True)


def _shortest(raw: bytes) -> bool:
    return len(raw) < 2 or not (
        (raw[0] == 0x00 and raw[1] < 0x80) or (raw[0] == 0xFF and raw[1] >= 0x80)
    )


def object_identifier(element: Element) -> str:
    """The dotted form of an OBJECT IDENTIFIER."""
    raw = element.contents
    if not element.universal(OBJECT_IDENTIFIER) or element.constructed or not _oid(raw):
        raise Malformed("An OBJECT IDENTIFIER is malformed or unreasonably long.")
    return _dotted(raw)


@lru_cache(maxsize=256)  # an FS names about 20 of them, the same ones each time
def _dotted(raw: bytes) -> str:
    """X.690 8.19.4: the first two arcs share a number, the first being at most 2."""
    arcs: list[int] = []
    arc = 0
    for octet in raw:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def _oid(raw: bytes) -> bool:
    return 1 <= len(raw) <= _MAX_OID and _arcs_are_whole(raw)


@lru_cache(maxsize=256)  # as for their dotted form
def _arcs_are_whole(raw: bytes) -> bool:
    """X.690 8.19.2: each arc in its shortest form, and the last one ended."""
    starts = [0] + [at + 1 for at, byte in enumerate(raw[:-1]) if byte < 0x80]
    return raw[-1] < 0x80 and all(raw[at] != 0x80 for at in starts)


def octets(element: Element) -> bytes:
    """The value of an OCTET STRING, also one sent in pieces (X.690 8.7.3)."""
    if not element.constructed:
        return element.contents
    pieces = children(element)
    if any(not piece.universal(OCTET_STRING) for piece in pieces):
        raise Malformed("An OCTET STRING in pieces holds something else.")
    return b"".join(octets(piece) for piece in pieces)


def der_faults(element: Element) -> Iterator[str]:
    """Where ``element`` departs from DER (X.690 10 and 11); nothing when it is DER."""
    if not _shortest_length(element):
        yield "a length is not in its shortest definite form"
        return
    if element.tag_class == UNIVERSAL:
        yield from _universal_faults(element)
    if element.constructed:
        inside = children(element)
        encodings = [child.encoded for child in inside]
        if element.universal(SET) and encodings != sorted(encodings):
            yield "a SET is not in order"
        for child in inside:
            yield from der_faults(child)


def _shortest_length(element: Element) -> bool:
    """X.690 10.1. A tag is read in its shortest form only."""
    size = len(element.contents)
    tag = 1 if element.tag < 0x1F else 1 + (element.tag.bit_length() + 6) // 7
    octets = 1 if size < 0x80 else 1 + (size.bit_length() + 7) // 8
    return element.encoded[tag] != 0x80 and len(element.encoded) == tag + octets + size


def _universal_faults(element: Element) -> Iterator[str]:
    if element.constructed != (element.tag in _CONSTRUCTED_TYPES):
        yield "a value is in pieces"
        return
    raw = element.contents
    if element.tag == BOOLEAN and raw not in (b"\x00", b"\xff"):
        yield "a BOOLEAN is neither 00 nor FF"
    if element.tag == INTEGER and not (raw and _shortest(raw)):
        yield "an INTEGER is not in its shortest form"
    if element.tag == OBJECT_IDENTIFIER and not _oid(raw):
        yield "an OBJECT IDENTIFIER is malformed"
    if element.tag == NULL and raw:
        yield "a NULL holds bytes"
    if element.tag == BIT_STRING and not _bits(raw):
        yield "a BIT STRING has set bits beyond its end"


def _bits(raw: bytes) -> bool:
    if not raw or raw[0] > 7 or (raw[0] and len(raw) == 1):
        return False
    return raw[0] == 0 or raw[-1] & ((1 << raw[0]) - 1) == 0
