"""Forms out of a stream of bytes, one at a time, in flat memory. Well-formedness is decided here.

libxml2 with nothing switched on: no entities, no DTD, no network, no huge documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from lxml import etree
from lxml.etree import _Element

from batch.anomalies import Anomaly, reception
from batch.ingest.lines import line_of

_ENCODING_ERRORS = (
    etree.ErrorTypes.ERR_INVALID_ENCODING,
    etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
)


MAX_FORM_BYTES = 4_000_000
"""From the end of one form, or of a comment between forms, to the next. A form is held as a tree
of some hundred bytes for each element; those of the FLA have a few kilobytes, and at most 1,000
elements are read."""

_WHITE = " \t\r\n"
"""White space of XML; any other character beside the forms is content."""


class Malformed(Exception):
    """The stream is no well-formed document of forms; carries the anomaly. Ends a form stream."""

    def __init__(self, anomaly: Anomaly) -> None:
        super().__init__(anomaly.explanation)
        self.anomaly = anomaly


@dataclass(slots=True)
class FormReader:
    """Feed blocks, take complete forms. A form is cleared when the next feed or close begins."""

    form: str
    unended: int = 0
    """Bytes fed since a form, or a comment between forms, ended."""
    _parser: etree.XMLPullParser = field(init=False)
    _stray: int | None = None

    def __post_init__(self) -> None:
        self._parser = etree.XMLPullParser(
            events=("end", "comment", "pi"),
            tag=self.form,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )

    def feed(self, block: bytes) -> Iterator[_Element]:
        """The forms that ``block`` completes, in order; raise Malformed where the stream breaks."""
        self.unended += len(block)
        yield from self.take(block)
        self.limit()
        self.check()

    def take(self, piece: bytes) -> Iterator[_Element]:
        """``feed`` in steps: the forms first, then ``limit`` and ``check``."""
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            yield from self._complete()
            raise Malformed(self._syntax_anomaly(error)) from None
        yield from self._complete()

    def limit(self) -> None:
        """Malformed where no form has ended for too long."""
        if self.unended > MAX_FORM_BYTES:
            raise Malformed(too_long(self.form))

    def check(self) -> None:
        """Malformed after an error of which lxml says nothing: it would take the next block for a
        new document."""
        if self._first_error() is not None:
            raise Malformed(self._syntax_anomaly(None))

    def close(self) -> None:
        """The stream has ended; Malformed when the document has not, or holds other blocks."""
        try:
            root = self._parser.close()
        except etree.XMLSyntaxError as error:
            raise Malformed(self._syntax_anomaly(error)) from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise Malformed(reception("003", "A DOCTYPE is not allowed in a declaration."))
        self._look_at(root)
        if self._stray is None and (root.text or "").strip(_WHITE):
            self._stray = line_of(root)
        if self._stray is not None:
            raise Malformed(reception("205", f"Only {self.form} may stand here.", line=self._stray))

    def _complete(self) -> Iterator[_Element]:
        for event, found in self._parser.read_events():
            element = cast(_Element, found)
            parent = element.getparent()
            if parent is None or parent.getparent() is not None:
                continue  # a form inside a form is its outer form's mistake
            self.unended = 0
            if event == "end":
                yield element
                self._clear(element, parent)
            else:
                self._forget_before(element, parent)  # comments alone would fill the memory too

    def _clear(self, element: _Element, root: _Element) -> None:
        """Forget all before this form, and its content; its line and tail are still wanted."""
        self._forget_before(element, root)
        element.clear(keep_tail=True)  # type: ignore[call-arg]  # absent from the stubs only

    def _forget_before(self, node: _Element, root: _Element) -> None:
        self._look_at(node.itersiblings(preceding=True))
        while node.getprevious() is not None:
            del root[0]

    def _look_at(self, siblings: Iterable[_Element]) -> None:
        """Notice anything beside forms: no part of a file is passed over in silence."""
        for child in siblings:
            tag: object = child.tag  # a function where it is a comment
            stranger = isinstance(tag, str) and tag != self.form
            if (stranger or (child.tail or "").strip(_WHITE)) and self._stray is None:
                self._stray = line_of(child)

    def _first_error(self) -> etree._LogEntry | None:
        """The first thing this parser, and no other before it, found wrong with the stream."""
        return next(iter(error_log(self._parser)), None)

    def _syntax_anomaly(self, raised: etree.XMLSyntaxError | None) -> Anomaly:
        return syntax_anomaly(self._first_error(), raised)


def error_log(parser: etree.XMLPullParser) -> list[etree._LogEntry]:
    """The errors that this parser has found so far; its warnings are left out."""
    log = cast("Iterable[etree._LogEntry]", parser.feed_error_log)
    return [e for e in log if e.level >= etree.ErrorLevels.ERROR]


def too_long(form: str) -> Anomaly:
    """184 for a form that is no form any more: it would have to be held whole."""
    return reception("184", f"A {form} has more than {MAX_FORM_BYTES} bytes.")


def syntax_anomaly(first: etree._LogEntry | None, raised: etree.XMLSyntaxError | None) -> Anomaly:
    """138 for bytes that are not in the declared encoding, 102 for whatever else is not XML."""
    if first is None:
        line = raised.lineno if raised is not None else None
        words = str(raised.msg) if raised is not None else "it ends too soon"
        return reception("102", f"The file is not well-formed XML: {words}", line=line or None)
    if first.type in _ENCODING_ERRORS:
        words = "The file's bytes are not the UTF-8 it declares."
        return reception("138", words, line=first.line)
    words = f"The file is not well-formed XML: {first.message}"
    return reception("102", words, line=first.line)


def forms(blocks: Iterable[bytes], form: str) -> Iterator[_Element]:
    """All forms of a document; Malformed as soon as it turns out not to be one."""
    reader = FormReader(form)
    for block in blocks:
        yield from reader.feed(block)
    reader.close()
