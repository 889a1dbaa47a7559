"""Forms that are written as most are, told by a pattern; the others and all between by the parser.

A service may say how its ordinary forms look (``Description.plain``). Such a form costs a tenth of
what a parser, its tree and a validation of that cost. Nothing is taken for plain unless it is known
to stand where a form of the document stands, and that is libxml2's word: it reads the first form
and every one that is not plain, up to the very character that ends it. In place of the plain ones
it is given as many lines and one empty form, so that its lines are those of the file. As soon as
anything is not as expected, it reads all that is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element

from batch.ingest.forms import FormReader
from batch.ingest.forms import forms as only_parsed

LONGEST_PLAIN = 1 << 16
"""Bytes without the end of a form after which none is waited for: plain forms have a few thousand,
and what is waited for is looked at again with each block."""

MOST_MISSES = 100
"""Forms one after the other that are not plain, after which no more are looked for: it costs half
as much again to have them read one by one."""

_DECLARED = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding[ \t\r\n]*=[ \t\r\n]*["']([^"']*)"""
)
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_SPACE = re.compile(r"[ \t\r\n]*+")


class PlainForm(NamedTuple):
    """A form that the service's pattern matched, and the line its start tag stands on."""

    match: re.Match[str]
    line: int

    def element(self) -> _Element:
        """The form as an element of its own, whose first line is 1."""
        return etree.fromstring(self.match[0].encode(), _PARSER)

    def line_of(self, at: int) -> int:
        """The line of the place ``at`` in the text that was matched."""
        return self.line + self.match.string.count("\n", self.match.start(), at)


Given = _Element | PlainForm
"""A form as it is given to the service."""


@dataclass(slots=True)
class PlainReader:
    """Reads as a FormReader does. Take the ``rest`` when all is fed, then ``close``."""

    form: str
    plain: re.Pattern[str]
    _forms: FormReader = field(init=False)
    _end: str = field(init=False)
    _held: bytes = b""
    _line: int = 1
    _seen: int = 1
    _last: int | None = None
    _begun: bool = False
    _misses: int = 0
    _by_pattern: bool = True

    def __post_init__(self) -> None:
        self._forms = FormReader(self.form)
        self._end = f"</{self.form}>"

    def feed(self, block: bytes) -> Iterator[Given]:
        """The forms known to be complete, in order; Malformed where the stream breaks."""
        if not self._by_pattern:
            yield from self._forms.feed(block)
            return
        data, self._held = self._held + block, b""
        self._forms.unended += len(block)
        end = data.rfind(self._end.encode()) + len(self._end)
        if end >= len(self._end):
            self._held = data[end:]
            yield from self._read(data[:end])
        elif len(data) <= LONGEST_PLAIN:
            self._held = data
        else:
            yield from self._give_up(data)
        self._forms.limit()

    def rest(self) -> Iterator[Given]:
        """What stands behind the last form that was complete, and may hold one yet."""
        yield from self._parse(self._all_held())

    def close(self) -> None:
        """See ``FormReader.close``."""
        self._forms.close()

    def _read(self, data: bytes) -> Iterator[Given]:
        """Forms out of bytes that end with the end tag of one, as far as can be seen."""
        text = self._decoded(data)
        if text is None:
            yield from self._give_up(data)
            return
        at, match, count = self._space(text, 0), self.plain.match, text.count
        while at < len(text):
            found = match(text, at) if self._begun else None
            if found is not None:
                line = self._line
                while found is not None:
                    last = line
                    yield PlainForm(found, line)
                    before, at = at, found.end()
                    line += count("\n", before, at)
                    found = match(text, at)
                self._last, self._line = last, line
                self._forms.unended = self._misses = 0
                continue
            stop = text.index(self._end, at) + len(self._end)
            yield from self._up_to(text[at:stop].encode())
            if not self._by_pattern:
                yield from self._parse(text[stop:].encode() + self._all_held())
                return
            self._line += count("\n", at, stop)
            self._seen = self._line
            at = self._space(text, stop)
        self._catch_up()

    def _up_to(self, piece: bytes) -> Iterator[_Element]:
        """What the parser finds in a piece that should end where a form ends: else, give up.

        The last character is fed alone: a form that comes of it ends there and nowhere else.
        """
        self._catch_up()
        yield from self._parse(piece[:-1])
        self._by_pattern = False
        self._misses += 1
        for form in self._parse(piece[-1:]):
            self._begun, self._by_pattern = True, self._misses < MOST_MISSES
            yield form

    def _decoded(self, data: bytes) -> str | None:
        """None where bytes and lines are not the same to us and to libxml2 beyond any doubt."""
        if not self._begun:
            declared = _DECLARED.match(data)
            if declared is not None and declared[1].upper() != b"UTF-8":
                return None
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def _space(self, text: str, at: int) -> int:
        """Where the white space at ``at`` ends: no parser need see it."""
        found = _SPACE.match(text, at) if self._begun else None
        if found is None:
            return at
        self._line += text.count("\n", at, found.end())
        return found.end()

    def _catch_up(self) -> None:
        """Give the parser the lines it did not see, and for the last plain form an empty one, that
        is given to nobody: of what strays behind a form, the line of that form is told."""
        last, self._last = self._last, None
        if last is None:
            piece = "\n" * (self._line - self._seen)
        else:
            lines, inside = "\n" * (last - self._seen), "\n" * (self._line - last)
            piece = f"{lines}<{self.form}>{inside}</{self.form}>"
        self._seen = self._line
        for _ in self._parse(piece.encode()):
            pass

    def _parse(self, piece: bytes) -> Iterator[_Element]:
        yield from self._forms.take(piece)
        self._forms.check()

    def _all_held(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _give_up(self, data: bytes) -> Iterator[_Element]:
        """Leave all that is left, from ``data`` on, to the parser."""
        self._by_pattern = False
        self._catch_up()
        yield from self._parse(data + self._all_held())


def forms(blocks: Iterable[bytes], form: str, plain: re.Pattern[str] | None) -> Iterator[Given]:
    """All forms of a document; Malformed as soon as it turns out not to be one."""
    if plain is None:
        yield from only_parsed(blocks, form)
        return
    reader = PlainReader(form, plain)
    for block in blocks:
        yield from reader.feed(block)
    yield from reader.rest()
    reader.close()
