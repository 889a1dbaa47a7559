"""A file of a service that judges elsewhere: validated as a whole, in flat memory.

Two parsers read the same bytes. expat says whether they are XML at all, and picks up on its way
what reception wants to know: how many forms there are, for which employers they are, and what
the forms call themselves. libxml2 validates while it parses; of its tree nothing is kept but the
way from the root to the element at hand. With a schema lxml says nothing of what is no XML, and
stops where libxml2 has a limit of its own, so that both must have come to the same end.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast
from xml.parsers import expat

from lxml import etree
from lxml.etree import _Element

from batch.anomalies import Anomaly, reception
from batch.ingest.forms import MAX_FORM_BYTES, Malformed, error_log, too_long
from batch.ingest.services import Description, Whole

MAX_EMPLOYERS = 100_000
"""Employers of one file that are remembered: more than Belgium's largest secretariat has clients,
and a few megabytes. More is 275: nobody would have asked for their mandates."""

_LONGEST_NUMBER = 32
"""Characters of an employer's number: ten digits and what people put between them. What is longer
is none, and no more of it is kept: there may be 100,000 of them."""

_ABOUT_NAMES = frozenset(
    {
        etree.ErrorTypes.SCHEMAV_ELEMENT_CONTENT,
        etree.ErrorTypes.SCHEMAV_CVC_COMPLEX_TYPE_2_1,
        etree.ErrorTypes.SCHEMAV_CVC_COMPLEX_TYPE_2_3,
        etree.ErrorTypes.SCHEMAV_CVC_COMPLEX_TYPE_2_4,
        etree.ErrorTypes.SCHEMAV_CVC_COMPLEX_TYPE_3_2_1,
        etree.ErrorTypes.SCHEMAV_CVC_COMPLEX_TYPE_4,
    }
)
"""Errors whose words speak of names only; those of all others may hold what the file holds."""

_LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8, at most."""

_BITE = 1 << 16
"""Bytes fed at once: libxml2 puts down every error in them, and the first is enough."""

MAX_WORDS = 300
"""Characters kept of such words: the names that were expected can be many."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was picked up: forms, the employers' numbers as written, what reception refuses for."""

    forms: int = 0
    employers: frozenset[str] = frozenset()
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(slots=True)
class WholeReader:
    """Feed it every block, then ask for its ``content``; Malformed where the stream breaks."""

    service: Description
    whole: Whole
    schema: etree.XMLSchema
    _facts: _Facts = field(init=False)
    _validator: etree.XMLPullParser = field(init=False)
    valid: int = 0
    """Bytes that were validated, in whole bites: what breaks the schema comes after them."""
    _ended: int = 0
    _unended: int = 0

    def __post_init__(self) -> None:
        self._facts = _Facts(self.service.form, self.whole)
        self._validator = _validator(self.schema)

    def feed(self, block: bytes) -> None:
        """Take the next block; Malformed at the first thing that is no XML or not of the schema."""
        for start in range(0, len(block), _BITE):
            bite = block[start : start + _BITE]
            try:
                self._facts.feed(bite)
            except Malformed:  # what the schema refuses before that comes first
                self._validate(bite[: self._facts.good])
                raise
            self._validate(bite)
            self.valid += len(bite)
            seen, ended = _drop_ended(self._validator)
            self._ended += ended
            self._unended = 0 if seen else self._unended + len(bite)
            if self._unended > MAX_FORM_BYTES:
                raise Malformed(too_long(self.service.form))

    def content(self) -> Content:
        """The stream has ended. Malformed when the document has not."""
        self._facts.end()
        self._validate(None)
        if self._ended + _drop_ended(self._validator)[1] != self._facts.elements:
            words = "The file is not readable: elements too deep, or a text too long."
            raise Malformed(reception("102", words))
        return self._facts.content()

    def _validate(self, bite: bytes | None) -> None:
        """What lxml raises here is that the schema was broken, which its log says better."""
        try:
            if bite is None:
                self._validator.close()
            else:
                self._validator.feed(bite)
        except etree.XMLSyntaxError:
            pass
        for entry in error_log(self._validator):
            if entry.domain == etree.ErrorDomains.SCHEMASV:
                raise Malformed(_invalid(entry))


@dataclass(slots=True)
class _Facts:
    """Well-formedness, and what is picked up."""

    form: str
    whole: Whole
    elements: int = 0
    _fed: int = 0
    _last: int = 0
    _recent: bytes = b""
    _path: list[str] = field(default_factory=list)
    _text: list[str] | None = None
    _forms: int = 0
    _without_employer: int = 0
    _too_many: bool = False
    _employers: set[str] = field(default_factory=set)
    _stranger: Anomaly | None = None
    _parser: expat.XMLParserType = field(init=False)
    _wanted: frozenset[tuple[str, ...]] = frozenset()
    _leaves: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        identification = (self.form, "Identification") if self.whole.identifications else ()
        self._wanted = frozenset(p for p in (self.whole.employer, identification) if p)
        self._leaves = frozenset(path[-1] for path in self._wanted)
        self._parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, bite: bytes) -> None:
        self._parse(bite, last=False)

    def end(self) -> None:
        self._parse(b"", last=True)

    @property
    def good(self) -> int:
        """How many bytes of the last bite were XML."""
        return max(0, self._parser.ErrorByteIndex - self._fed + self._last)

    def content(self) -> Content:
        found = [] if self._stranger is None else [self._stranger]
        if self.whole.employer and (self._without_employer or not self._employers):
            path = "/".join(self.whole.employer)
            found.append(reception("101", f"No enterprise number of an employer at {path}."))
        if self._too_many:
            found.append(reception("275", f"The file names more than {MAX_EMPLOYERS} employers."))
        return Content(self._forms, frozenset(self._employers), tuple(found))

    def _parse(self, bite: bytes, *, last: bool) -> None:
        self._recent = self._recent[-_LONGEST_CHARACTER:] + bite
        self._fed, self._last = self._fed + len(bite), len(bite)
        try:
            self._parser.Parse(bite, last)
        except expat.ExpatError as error:
            words, line = expat.ErrorString(error.code), error.lineno
            if self._is_no_utf8():
                why = reception("138", "The file's bytes are not UTF-8.", line=line)
            else:
                why = reception("102", f"The file is not well-formed XML: {words}", line=line)
            raise Malformed(why) from None

    def _is_no_utf8(self) -> bool:
        """Whether the bytes that expat stopped at are no character: it says only "invalid"."""
        start = self._parser.ErrorByteIndex - (self._fed - len(self._recent))
        here = self._recent[start : start + _LONGEST_CHARACTER]
        try:
            codecs.getincrementaldecoder("utf-8")().decode(here)
        except UnicodeDecodeError as error:
            return error.start == 0
        return False

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self.elements += 1
        self._path.append(name)
        if name in self._leaves and tuple(self._path[1:]) in self._wanted:
            self._text = []
            self._parser.CharacterDataHandler = self._text.append

    def _end(self, name: str) -> None:
        path = self._path
        if len(path) == 2 and name == self.form:
            self._forms += 1
        elif self._text is not None and tuple(path[1:]) in self._wanted:
            text, self._text = "".join(self._text).strip(), None
            self._parser.CharacterDataHandler = None
            if tuple(path[1:]) == self.whole.employer:
                self._employer(text)
            elif text not in self.whole.identifications and self._stranger is None:
                wanted = ", ".join(sorted(self.whole.identifications))
                words = f"The form's Identification must be {wanted}."
                line = self._parser.CurrentLineNumber
                self._stranger = reception("158", words, line=line)
        path.pop()

    def _employer(self, text: str) -> None:
        number = text if len(text) <= _LONGEST_NUMBER else f"{text[:_LONGEST_NUMBER]}?"
        if not number:
            self._without_employer += 1
        elif len(self._employers) < MAX_EMPLOYERS or number in self._employers:
            self._employers.add(number)
        else:
            self._too_many = True


def first_invalid_line(
    blocks: Iterable[bytes], schema: etree.XMLSchema, valid: int = 0
) -> int | None:
    """The line on which an invalid file first breaks its schema; None when it does not.

    libxml2 names no line while it is fed. So the file is read again, line by line behind the first
    ``valid`` bytes: a file may be lines and little else. Only one that was found invalid is.
    """
    parser, number = _validator(schema), 1
    for piece in _pieces(blocks, valid):
        try:
            parser.feed(piece)
        except etree.XMLSyntaxError:
            return number
        _drop_ended(parser)
        if error_log(parser):
            return number
        number += piece.count(b"\n")
    return None


def _pieces(blocks: Iterable[bytes], whole: int) -> Iterator[bytes]:
    """The first ``whole`` bytes in bites, and what follows by lines."""
    for block in blocks:
        known, whole = block[:whole], max(0, whole - len(block))
        for start in range(0, len(known), _BITE):
            yield known[start : start + _BITE]
        yield from block[len(known) :].splitlines(keepends=True)


def _validator(schema: etree.XMLSchema) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=("end", "comment", "pi"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        schema=schema,
    )


def _drop_ended(parser: etree.XMLPullParser) -> tuple[int, int]:
    """Forget what ended, and what stands before it: how many nodes, and how many elements."""
    seen = ended = 0
    for event, found in parser.read_events():
        node = cast(_Element, found)
        seen += 1
        parent = node.getparent()
        while parent is not None and node.getprevious() is not None:
            del parent[0]
        if event == "end":
            ended += 1
            node.clear(keep_tail=True)  # type: ignore[call-arg]  # absent from the stubs only
    return seen, ended


def _invalid(entry: etree._LogEntry) -> Anomaly:
    """312 in words that hold nothing of what the file holds: it may be an INSS."""
    if entry.type in _ABOUT_NAMES:
        return reception("312", f"Against the schema: {entry.message[:MAX_WORDS]}")
    named = re.match(r"Element '([^']{1,100})'", entry.message)
    where = f"the value of {named[1]}" if named else "a value"
    return reception("312", f"Against the schema: {where} is not allowed.")
