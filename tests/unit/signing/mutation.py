"""A right FS made wrong at random: in its text, its bytes, its elements, or mixed with another.

Everything comes from one seed, so that a mutant can be made again.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fixtures.corpus.der import length

Span = tuple[int, int, int]
"""Where an element begins, where its contents do, and where it ends."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A right SignedData, DER or BER, and where its elements lie."""

    der: bytes
    spans: tuple[Span, ...]


def sample(der: bytes) -> Sample:
    return Sample(der, tuple(_spans(der, 0, len(der), 0)))


def _spans(der: bytes, at: int, end: int, depth: int) -> Iterator[Span]:
    """Every element of definite length between ``at`` and ``end``, and all that lie in it."""
    while at + 2 <= end and depth < 12:
        begin, size = at + 2, der[at + 1]
        if size == 0x80:
            yield from _spans(der, begin, end, depth + 1)
            return
        if size > 0x80:
            octets = size & 0x7F
            begin, size = at + 2 + octets, int.from_bytes(der[at + 2 : at + 2 + octets], "big")
        if begin + size > end:
            return
        yield at, begin, begin + size
        if der[at] & 0x20:
            yield from _spans(der, begin, begin + size, depth + 1)
        at = begin + size


class Mutator:
    """Makes mutants of some right FS; ``changed`` is the FI that must never be accepted."""

    def __init__(self, samples: Sequence[Sample], changed: bytes, seed: int) -> None:
        self._samples = samples
        self._random = random.Random(seed)
        self._changed = changed
        self._kinds: tuple[Callable[[Sample], bytes], ...] = (
            *(self._flipped, self._edited, self._dropped, self._doubled, self._swapped),
            *(self._spliced, self._relengthed, self._retagged, self._redigested, self._emptied),
        )

    def fs(self) -> bytes:
        """One mutant, as a file."""
        chosen = self._random.choice(self._samples)
        der = self._random.choice(self._kinds)(chosen)
        for _ in range(self._random.choice((0, 0, 0, 1, 2))):
            der = self._flip(der)
        how = self._random.random()
        if how < 0.45:
            return der
        text = base64.b64encode(der)
        return text if how < 0.9 else self._text(text)

    def fi(self, right: bytes) -> bytes:
        """Another FI than ``right``."""
        made = bytearray(right)
        at = self._random.randrange(len(made))
        match self._random.randrange(4):
            case 0:
                made[at] ^= 1 << self._random.randrange(8)
            case 1:
                del made[at:]
            case 2:
                made[at:at] = self._random.randbytes(self._random.randint(1, 3))
            case _:
                made += b"\n"
        return bytes(made) if bytes(made) != right else self._changed

    def _span(self, chosen: Sample) -> Span:
        return self._random.choice(chosen.spans)

    def _flip(self, der: bytes) -> bytes:
        if not der:
            return der
        made = bytearray(der)
        made[self._random.randrange(len(made))] ^= 1 << self._random.randrange(8)
        return bytes(made)

    def _flipped(self, chosen: Sample) -> bytes:
        return self._flip(chosen.der)

    def _edited(self, chosen: Sample) -> bytes:
        """A few bytes cut out, and a few put there."""
        at = self._random.randrange(len(chosen.der))
        put = self._random.randbytes(self._random.randrange(5))
        return chosen.der[:at] + put + chosen.der[at + self._random.randrange(5) :]

    def _replaced(self, chosen: Sample, start: int, end: int, put: bytes) -> bytes:
        """``put`` in the place of an element; every length around it is made right again."""
        around = [span for span in chosen.spans if span[1] <= start and end <= span[2]]
        made = chosen.der[:start] + put + chosen.der[end:]
        grown = len(put) - (end - start)
        for at, begin, stop in sorted(around, reverse=True):
            head = length(stop - begin + grown)
            made = made[: at + 1] + head + made[begin:]
            grown += len(head) - (begin - at - 1)
        return made

    def _fixed(self, chosen: Sample, start: int, end: int, put: bytes) -> bytes:
        if self._random.random() < 0.2:  # sometimes the lengths around stay as they were
            return chosen.der[:start] + put + chosen.der[end:]
        return self._replaced(chosen, start, end, put)

    def _dropped(self, chosen: Sample) -> bytes:
        start, _, end = self._span(chosen)
        return self._fixed(chosen, start, end, b"")

    def _doubled(self, chosen: Sample) -> bytes:
        start, _, end = self._span(chosen)
        return self._fixed(chosen, start, end, chosen.der[start:end] * 2)

    def _emptied(self, chosen: Sample) -> bytes:
        start, _, end = self._span(chosen)
        return self._fixed(chosen, start, end, chosen.der[start : start + 1] + b"\x00")

    def _swapped(self, chosen: Sample) -> bytes:
        """One element in the place of another of the same FS."""
        start, _, end = self._span(chosen)
        other = self._span(chosen)
        return self._fixed(chosen, start, end, chosen.der[other[0] : other[2]])

    def _spliced(self, chosen: Sample) -> bytes:
        """One element in the place of one of another FS, of the same tag where there is one."""
        giving = self._random.choice(self._samples)
        start, _, end = self._span(chosen)
        fitting = [s for s in giving.spans if giving.der[s[0]] == chosen.der[start]]
        other = self._random.choice(fitting or giving.spans)
        return self._fixed(chosen, start, end, giving.der[other[0] : other[2]])

    def _relengthed(self, chosen: Sample) -> bytes:
        """The same element with a length that is longer than needed, indefinite, or wrong."""
        start, begin, end = self._span(chosen)
        tag, inside = chosen.der[start : start + 1], chosen.der[begin:end]
        match self._random.randrange(3):
            case 0:
                octets = self._random.randint(2, 8)
                put = tag + bytes([0x80 | octets]) + len(inside).to_bytes(octets, "big") + inside
            case 1:
                put = tag + b"\x80" + inside + b"\x00\x00"
            case _:
                wrong = max(0, len(inside) + self._random.randint(-3, 3))
                put = tag + length(wrong) + inside
        return self._fixed(chosen, start, end, put)

    def _retagged(self, chosen: Sample) -> bytes:
        start, _, _ = self._span(chosen)
        tag = self._random.choice(b"\x02\x03\x04\x05\x06\x24\x30\x31\xa0\xa1\x80\x81\x1f\x3f")
        return chosen.der[:start] + bytes([tag]) + chosen.der[start + 1 :]

    def _redigested(self, chosen: Sample) -> bytes:
        """What a forger wants: the digest of the changed FI among the signed attributes."""
        wanted = hashlib.sha256(self._changed).digest()
        holds = [s for s in chosen.spans if s[2] - s[1] == len(wanted) and chosen.der[s[0]] == 4]
        if not holds:
            return self._flip(chosen.der)
        _, begin, end = self._random.choice(holds)
        return chosen.der[:begin] + wanted + chosen.der[end:]

    def _text(self, text: bytes) -> bytes:
        """Base64 with one thing done to it."""
        at = self._random.randrange(len(text) + 1)
        match self._random.randrange(6):
            case 0:
                return text[:at] + self._random.randbytes(1) + text[at + 1 :]
            case 1:
                return text[:at] + text[at + self._random.randint(1, 70) :]
            case 2:
                return text[:at] + self._random.choice((b"=", b"\r", b" ", b"\x00")) + text[at:]
            case 3:
                return text[:at] + text
            case 4:
                return text[:at]
            case _:
                put = b"-----BEGIN CMS-----\n" + text + b"\n-----END CMS-----\n"
                return put[:at] + put[at + self._random.randrange(3) :]
