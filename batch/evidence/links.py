"""The chain of verdicts: each link holds the digest of the one before it.

    digest = SHA-256 over: the digest before, a line feed, the body, a line feed

so that ``sha256sum`` of a link written to a file is its digest. The first link, at position 0, is
no verdict: it says whose chain this is, and before it stand 64 zeros.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from batch.evidence.canonical import Document, canonical, digest
from batch.evidence.grounds import Unreadable

NOTHING_BEFORE = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it is kept: ``body`` is canonical JSON of ASCII, and is never written again."""

    position: int
    before: str
    body: str
    digest: str

    @property
    def text(self) -> bytes:
        """The bytes whose SHA-256 is the digest."""
        return _text(self.before, self.body)

    @property
    def fault(self) -> str | None:
        """What is wrong with this link by itself, one sentence; None when nothing is."""
        if digest(self.text) != self.digest:
            return "its digest is not that of its body and the link before"
        if self.position == 0 and self.before != NOTHING_BEFORE:
            return "it is the first, and something stands before it"
        return None

    def document(self) -> Document:
        """What the body says; Unreadable when it is no JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unreadable(f"link {self.position} has no readable body")
        return found


def after(last: Link | None, body: Document) -> Link:
    """The link that follows ``last``; the first of a chain when there is none."""
    before = NOTHING_BEFORE if last is None else last.digest
    text = canonical(body)
    position = 0 if last is None else last.position + 1
    return Link(position, before, text, digest(_text(before, text)))


def read(position: int, text: bytes) -> Link:
    """A link from the bytes of its file; Unreadable when they are not two lines."""
    try:
        before, body, rest = text.decode("ascii").split("\n")
    except ValueError:
        raise Unreadable(f"link {position} is not two lines of ASCII") from None
    if rest:
        raise Unreadable(f"link {position} does not end with its second line")
    return Link(position, before, body, digest(text))


def joined(one: Link, next_one: Link) -> bool:
    """Whether ``next_one`` follows ``one`` with nothing between them."""
    return next_one.position == one.position + 1 and next_one.before == one.digest


def _text(before: str, body: str) -> bytes:
    return f"{before}\n{body}\n".encode("ascii")
