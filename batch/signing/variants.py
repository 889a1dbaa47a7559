"""Why a digest differs: is it that of the FI as some usual change would have left it?

One pass over the FI feeds the digest of every variant at once. It only explains: nothing here is
ever accepted. A variant shares the digest of the plain FI until a change first makes it another,
and the last few bytes are tried with every usual end.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from batch.signing.causes import Detail

_BOM: Final = codecs.BOM_UTF8
_END: Final = b"\r\n\x1a"
_LONGEST_END: Final = 16  # bytes; the usual ends have at most three
_HEADER: Final = b"Content-Type: text/plain\r\n\r\n"  # openssl cms -sign -text


def _as_is(block: bytes) -> bytes:
    return block


def _to_lf(block: bytes) -> bytes:
    while b"\r\r\n" in block:  # a transfer in text mode made CRLF of the LF in CRLF
        block = block.replace(b"\r\r\n", b"\r\n")
    return block.replace(b"\r\n", b"\n")


def _to_crlf(block: bytes) -> bytes:
    return _to_lf(block).replace(b"\n", b"\r\n")


def _cr_to_lf(block: bytes) -> bytes:
    return _to_lf(block).replace(b"\r", b"\n")


def _cr_to_crlf(block: bytes) -> bytes:
    return _cr_to_lf(block).replace(b"\n", b"\r\n")


_LINE_ENDS: Final[tuple[tuple[Callable[[bytes], bytes], Detail | None], ...]] = (
    (_as_is, None),
    (_to_crlf, Detail.CRLF),
    (_to_lf, Detail.LF),
    (_cr_to_lf, Detail.LONE_CR),
    (_cr_to_crlf, Detail.LONE_CR),
)


def _ends(end: bytes) -> Iterator[tuple[bytes, Detail | None]]:
    """The usual ends of a file whose last bytes are ``end``, the likeliest first."""
    plain = end.rstrip(b"\x1a")
    yield end, None
    yield end + b"\n", Detail.END_REMOVED
    yield end + b"\r\n", Detail.END_REMOVED
    if plain != end:
        yield plain, Detail.CTRL_Z
    yield end + b"\x1a", Detail.CTRL_Z
    if plain.endswith(b"\r\n"):
        yield plain[:-2], Detail.END_ADDED
    elif plain:
        yield plain[:-1], Detail.END_ADDED
    yield b"", Detail.END_ADDED


@dataclass(slots=True)
class _Family:
    """The digests of one beginning (with or without BOM) for each kind of line ends.

    ``digests``: None while the same as the first, which is the plain one.
    """

    plain: hashlib._Hash
    details: tuple[Detail, ...]
    digests: dict[int, hashlib._Hash] = field(default_factory=dict)

    def update(self, blocks: tuple[bytes, ...]) -> None:
        """``blocks``: the same bytes with each kind of line ends."""
        for kind, block in enumerate(blocks[1:], start=1):
            if kind not in self.digests and block is not blocks[0] and block != blocks[0]:
                self.digests[kind] = self.plain.copy()
            if kind in self.digests:
                self.digests[kind].update(block)
        self.plain.update(blocks[0])

    def variants(self, end: bytes) -> Iterator[tuple[bytes, tuple[Detail, ...]]]:
        """Every digest with what it means; the fewest changes first, as far as that is cheap."""
        for finish, of_end in _ends(end):
            for kind, (translated, of_lines) in enumerate(_LINE_ENDS):
                whole = self.digests.get(kind, self.plain).copy()
                whole.update(translated(finish))
                changes = (of_lines, *self.details, of_end)
                yield whole.digest(), tuple(c for c in changes if c is not None)


class Search:
    """Fed with the FI, chunk by chunk, then asked once: which changes explain ``wanted``.

    ``digest`` is hashlib's name of the signer's own digest algorithm.
    """

    def __init__(self, digest: str, wanted: bytes) -> None:
        self._name, self._wanted = digest, wanted
        self._held = b""
        self._begun = False
        self._families: list[_Family] = []
        self._header = hashlib.new(digest, _HEADER)
        self._codings: list[_Coding] = []

    def update(self, chunk: bytes) -> None:
        block = self._held + chunk
        if not self._begun:
            if len(block) < len(_BOM):
                self._held = block
                return
            block = self._begin(block)
        last = block[-_LONGEST_END:]
        cut = len(block) - len(last) + len(last.rstrip(_END))
        self._held = block[cut:]
        self._feed(block[:cut])

    def finish(self) -> tuple[Detail, ...]:
        """The changes, the first the most telling one; empty when none of them explains it."""
        if not self._begun:
            self._held = self._begin(self._held)
        if self._wanted == hashlib.new(self._name).digest():
            return (Detail.EMPTY_FILE,)
        known = [v for family in self._families for v in family.variants(self._held)]
        known.sort(key=lambda variant: len(variant[1]))
        plain = known[0][0]
        for digest, changes in known:
            if digest == self._wanted and changes:
                return tuple(dict.fromkeys(changes))
        return self._rarely(plain)

    def _rarely(self, plain: bytes) -> tuple[Detail, ...]:
        self._header.update(_to_crlf(self._held))
        if self._header.digest() == self._wanted:
            return (Detail.TEXT_HEADER,)
        for said in (plain, plain.hex().encode(), plain.hex().upper().encode()):
            if hashlib.new(self._name, said).digest() == self._wanted:
                return (Detail.DIGEST_OF_DIGEST,)
        if any(c.finish(self._held) == self._wanted for c in self._codings):
            return (Detail.ENCODING,)
        return ()

    def _begin(self, block: bytes) -> bytes:
        """What the beginning says: its BOM, and so what it may have been before."""
        self._begun = True
        marked, bare = hashlib.new(self._name, _BOM), hashlib.new(self._name)
        if block.startswith(_BOM):
            block = block[len(_BOM) :]
            self._families = [_Family(marked, ()), _Family(bare, (Detail.BOM_ADDED,))]
        else:
            self._families = [_Family(bare, ()), _Family(marked, (Detail.BOM_REMOVED,))]
        wide = block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        read = "utf-16" if wide else "utf-8"
        before = ("utf-8", "utf-8-sig") if wide else ("utf-16", "cp1252")
        self._codings = [_Coding(read, coding, hashlib.new(self._name)) for coding in before]
        return block

    def _feed(self, block: bytes) -> None:
        blocks = tuple(translated(block) for translated, _ in _LINE_ENDS)
        for family in self._families:
            family.update(blocks)
        self._header.update(blocks[1])
        for coding in self._codings:
            coding.update(block)


class _Coding:
    """The digest of the same characters in another encoding; what has none is given up."""

    def __init__(self, read: str, write: str, digest: hashlib._Hash) -> None:
        self._reader = codecs.getincrementaldecoder(read)()
        self._writer = codecs.getincrementalencoder(write)()
        self._digest: hashlib._Hash | None = digest

    def update(self, block: bytes, final: bool = False) -> None:
        if self._digest is None:
            return
        try:
            self._digest.update(self._writer.encode(self._reader.decode(block, final), final))
        except UnicodeError:
            self._digest = None

    def finish(self, end: bytes) -> bytes | None:
        self.update(end, final=True)
        return None if self._digest is None else self._digest.digest()
