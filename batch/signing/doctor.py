"""The signature doctor: why a signature is refused, in words its sender can act on.

It explains a verdict that stands already, and changes none. What it finds is finer than the
cause: ``digest-differs:crlf`` is a signature over the FI with other line ends. For the cause that
needs the FI (``digest-differs``) it gives a ``Case`` to be fed with it, in one pass; the others are
told from the FS and from what the register knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from batch.signing import contents, encoding
from batch.signing.algorithms import Digest, digest_of
from batch.signing.attributes import SignedAttributes, read_signed_attributes
from batch.signing.causes import CAUSES, DETAILS, Detail, Meaning
from batch.signing.certificate import SigningCertificate, read_der
from batch.signing.signed_data import SignedData, read_signed_data
from batch.signing.variants import Search
from batch.signing.verdict import Cause, NotSigned
from batch.signing.verification import names

_NOT_AN_FS: Final = frozenset(
    {
        Cause.TOO_LARGE,
        Cause.ARMOUR,
        Cause.URL_SAFE_BASE64,
        Cause.BASE64_PADDING,
        Cause.NOT_BASE64,
        Cause.MALFORMED,
        Cause.TRAILING_BYTES,
        Cause.NOT_SIGNED_DATA,
    }
)
"""Causes of what may be a whole other file than an FS."""

_TOLD_WHOLE: Final = frozenset({Detail.TRUNCATED, Detail.UNEXPLAINED, Detail.NOT_TRIED})
"""Details beside which the words of the verdict still say something."""


class Interval(Protocol):
    """``batch.registers.Interval``."""

    @property
    def since(self) -> datetime: ...

    @property
    def until(self) -> datetime | None: ...

    def covers(self, at: datetime) -> bool: ...


class Registered(Protocol):
    """A certificate of the channel, at whatever time: ``batch.registers.RegisteredCertificate``."""

    @property
    def der(self) -> bytes: ...

    @property
    def valid(self) -> Interval: ...


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why, for a person and for a program. ``words`` hold no INSS and no secret."""

    cause: Cause
    detail: Detail | None
    words: str

    @property
    def slug(self) -> str:
        """``cause`` or ``cause:detail``: what a program goes by."""
        return self.cause if self.detail is None else f"{self.cause}:{self.detail}"


@dataclass(frozen=True, slots=True)
class Known:
    """What else is known: every certificate the channel ever had, and the sealing instant."""

    certificates: Sequence[Registered]
    at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """An FI whose SHA-256 is the signed one: ``name``, and whether it is a part of this set."""

    name: str
    same_set: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A signature over other bytes than the FI. ``signed``: the SHA-256 that was signed (hex), None
    where another digest was used; ``signing_time``: when, by the signer's own clock."""

    refusal: NotSigned
    digest: Digest
    wanted: bytes
    signing_time: datetime | None

    @property
    def signed(self) -> str | None:
        return self.wanted.hex() if self.digest is Digest.SHA256 else None

    def hashed(self, blocks: Iterable[bytes]) -> bytes:
        """The digest of another file by the signer's algorithm."""
        digest = hashlib.new(self.digest)
        for block in blocks:
            digest.update(block)
        return digest.digest()

    def search(self) -> Search:
        """To be fed with the FI."""
        return Search(self.digest, self.wanted)

    def closed(
        self, found: Sequence[Detail], origin: Origin | None, changed: datetime | None = None
    ) -> Diagnosis:
        """What the search found, or else what is known of the signed bytes.

        ``changed``: when the FI was last changed, where that is known.
        """
        if origin is not None:
            detail = Detail.OTHER_PART if origin.same_set else Detail.OTHER_FILE
            return _diagnosis(self.refusal, detail, f"It was made for {origin.name}.")
        if found:
            changes = "; ".join(DETAILS[each].happened for each in found[1:])
            return _diagnosis(self.refusal, found[0], f"Also: {changes}." if changes else "")
        if self.signing_time is None:
            return _diagnosis(self.refusal, Detail.UNEXPLAINED, "")
        when = f"It was signed on {_minute(self.signing_time)} by the signer's clock"
        if changed is not None and changed > self.signing_time:
            facts = f"{when}; the file was changed on {_minute(changed)}."
            return _diagnosis(self.refusal, Detail.EDITED_AFTER, facts)
        return _diagnosis(self.refusal, Detail.UNEXPLAINED, f"{when}.")

    def not_tried(self) -> Diagnosis:
        """What is said of an FI that is too large to look for the change."""
        return _diagnosis(self.refusal, Detail.NOT_TRIED, "")


def examine(fs: bytes, refusal: NotSigned, known: Known, limit: int) -> Diagnosis | Case:
    """Explain ``refusal`` of the FS file ``fs``; ``limit`` is that of its size, in bytes."""
    if refusal.cause is Cause.DIGEST_DIFFERS:
        return _case(fs, refusal, limit) or _diagnosis(refusal, Detail.UNEXPLAINED, "")
    if refusal.cause is Cause.OTHER_CERTIFICATE:
        return _whose(fs, refusal, known, limit)
    if refusal.cause in _NOT_AN_FS:
        return _no_fs(fs, refusal)
    if refusal.cause is Cause.NO_CERTIFICATE_REGISTERED:
        return _diagnosis(refusal, None, _around(known))
    return _diagnosis(refusal, None, "")


def _diagnosis(refusal: NotSigned, detail: Detail | None, facts: str) -> Diagnosis:
    """What happened, the facts of this one, what to do; a cause without a meaning has its words."""
    meaning = CAUSES.get(refusal.cause, Meaning("", "")) if detail is None else DETAILS[detail]
    said = [refusal.words] if detail is None or detail in _TOLD_WHOLE else []
    if detail is not None:
        said.append(_sentence(refusal.cause, meaning.happened))
    words = " ".join(sentence for sentence in (*said, facts, meaning.remedy) if sentence)
    return Diagnosis(refusal.cause, detail, words)


def _sentence(cause: Cause, happened: str) -> str:
    about = "The FI is not what was signed: " if cause is Cause.DIGEST_DIFFERS else ""
    return about + (happened if about else happened[0].upper() + happened[1:]) + "."


def _no_fs(fs: bytes, refusal: NotSigned) -> Diagnosis:
    """What the file is instead; or how much of it is missing."""
    found = contents.what_is(fs)
    if found is not None:
        return _diagnosis(refusal, found, "")
    size = contents.announced(fs)
    if fs.startswith(b"\x30"):
        if size is not None and len(fs) < size:
            return _diagnosis(refusal, Detail.TRUNCATED, f"{len(fs)} of {size} bytes came.")
    elif size is not None:
        came, whole = len(fs.translate(None, b" \t\r\n")), (size + 2) // 3 * 4
        if came < whole and b"-----" not in fs:
            facts = f"{came} of {whole} base64 characters came."
            return _diagnosis(refusal, Detail.TRUNCATED, facts)
    return _diagnosis(refusal, None, "")


def _read(fs: bytes, limit: int) -> SignedData | None:
    der = encoding.decode(fs, limit)
    if isinstance(der, NotSigned):
        return None
    data = read_signed_data(der)
    return data if not isinstance(data, NotSigned) and data.signer_infos else None


def _case(fs: bytes, refusal: NotSigned, limit: int) -> Case | None:
    data = _read(fs, limit)
    signer = data.signer_infos[0] if data is not None else None
    if signer is None or signer.signed_attributes is None:
        return None
    attributes = read_signed_attributes(signer.signed_attributes)
    digest = digest_of(signer.digest_algorithm, sha1=True)
    if isinstance(digest, Digest) and isinstance(attributes, SignedAttributes):
        return Case(refusal, digest, attributes.message_digest, attributes.signing_time)
    return None


def _whose(fs: bytes, refusal: NotSigned, known: Known, limit: int) -> Diagnosis:
    """Whose the other certificate is, as far as the register or the FS can say."""
    data = _read(fs, limit)
    if data is None:
        return _diagnosis(refusal, None, "")
    sid = data.signer_infos[0].sid
    for held in known.certificates:
        if names(sid, read_der(held.der)) and not held.valid.covers(known.at):
            return _at_another_time(refusal, held.valid, known.at)
    used = next((c for c in map(_readable, data.certificates) if c and names(sid, c)), None)
    if used is None:
        return _diagnosis(refusal, None, "")
    if used.ca:
        return _with_words(refusal, Detail.AUTHORITY)
    now = [read_der(held.der) for held in known.certificates if held.valid.covers(known.at)]
    if any(held.loaded.public_key() == used.loaded.public_key() for held in now):
        return _with_words(refusal, Detail.RENEWED)
    return _diagnosis(refusal, None, "")


def _around(known: Known) -> str:
    """When the channel had a certificate last, and when it will have one."""
    ends = [c.valid.until for c in known.certificates if c.valid.until is not None]
    begins = [c.valid.since for c in known.certificates if c.valid.since > known.at]
    last = max((end for end in ends if end <= known.at), default=None)
    said = [] if last is None else [f"The last one ended on {_minute(last)}."]
    if begins:
        said.append(f"The next one begins on {_minute(min(begins))}.")
    return " ".join(said)


def _at_another_time(refusal: NotSigned, valid: Interval, at: datetime) -> Diagnosis:
    if valid.since > at:
        facts = f"It is registered for this channel from {_minute(valid.since)} on."
        return _with_words(refusal, Detail.NEXT, facts)
    until = f" until {_minute(valid.until)}" if valid.until is not None else ""
    return _with_words(refusal, Detail.FORMER, f"It was registered for this channel{until}.")


def _with_words(refusal: NotSigned, detail: Detail, facts: str = "") -> Diagnosis:
    """Whose it is, and then what the doctor knows of it."""
    found = _diagnosis(refusal, detail, facts)
    return Diagnosis(found.cause, detail, f"{refusal.words} {found.words}")


def _readable(der: bytes) -> SigningCertificate | None:
    try:
        return read_der(der)
    except Exception:  # hostile bytes that only serve for words must not stop a verdict
        return None


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
