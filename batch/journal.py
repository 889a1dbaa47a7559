"""The domain log: one function per thing that can happen; nobody formats a line elsewhere.

One JSON object per line on stderr, key=value on a terminal. Whatever a client said is escaped
and cut; a processor masks what looks like an INSS, as the last line of defence: the first is
that no caller hands one over.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TextIO

import structlog

from batch.masking import plain_text, without_inss

LINES_PER_MINUTE = 60
"""Of one event that a broken disk, say, can repeat at will; the rest is counted."""
STRANGERS_LINES = 10
"""The same for what strangers can cause, who come in thousands: of each kind so many, and a sum."""


# --- the SFTP server -----------------------------------------------------------------------


def starting(settings: Mapping[str, object]) -> None:
    """The channel starts with these settings; those that have their default are left out."""
    _line("starting", **settings)


def listening(host: str, port: int) -> None:
    """The port is open."""
    _line("listening", host=host, port=port)


def fewer_connections(places: int, wanted: int, limit: int) -> None:
    """The limit of open files is too low for the connections that the settings allow."""
    _line("fewer_connections", level="warning", places=places, wanted=wanted, open_files=limit)


def stopped(reason: str) -> None:
    """The server has drained and closed its port."""
    _line("stopped", reason=reason)


def host_keys(keys: list[str]) -> None:
    """The host keys were read: the one used first, then those that clients are shown besides."""
    _line("host_keys", keys=keys)


def connection_refused(address: str, reason: str) -> None:
    """A connection was closed because a cap was reached; each cap has its own lines."""
    facts = {"address": address, "reason": reason}
    _rare("connection_refused", f"connection_refused: {reason}", STRANGERS_LINES, **facts)


def login(sender: object, user: str, address: str, fingerprint: str) -> None:
    """A sender proved its key; ``fingerprint`` names which."""
    _line("login", sender=sender, user=user, address=address, fingerprint=fingerprint)


def legacy_offered(what: str) -> None:
    """The setting ``legacy`` is on: what is offered to old clients beside the rest."""
    _line("legacy_offered", level="warning", what=what)


def legacy_login(sender: object, address: str, what: str) -> None:
    """A sender came in by what only a ``legacy`` switch allows: its client should be renewed."""
    _line("legacy_login", level="warning", sender=sender, address=address, what=what)


def login_refused(user: str, address: str, reason: str) -> None:
    """A key was not accepted; the reason is for us, the client hears the same every time."""
    facts = {"user": user, "address": address, "reason": reason}
    _rare("login_refused", "login_refused", STRANGERS_LINES, **facts)


def request_refused(sender: object, what: str) -> None:
    """A channel request other than SFTP: shell, exec, a second subsystem."""
    _rare("request_refused", "request_refused", LINES_PER_MINUTE, sender=sender, what=what)


def session_ended(sender: object, address: str, seconds: float, reason: str) -> None:
    """A logged-in connection is gone."""
    _line("session_ended", sender=sender, address=address, seconds=round(seconds, 3), reason=reason)


def published(sender: object, path: str, size: int) -> None:
    """The sender closed an upload and was answered OK: the bytes are durable."""
    _line("published", sender=sender, path=path, size=size)


def abandoned(sender: object, path: str, size: int) -> None:
    """An upload was never closed: the connection was lost, or we stopped. Nothing remains."""
    _line("abandoned", sender=sender, path=path, size=size)


def renamed(sender: object, old: str, new: str) -> None:
    """A sender renamed an unsealed file."""
    _line("renamed", sender=sender, old=old, new=new)


def removed(sender: object, path: str) -> None:
    """A sender removed an unsealed file, or an answer (which is kept in ``taken``)."""
    _line("removed", sender=sender, path=path)


def operation_failed(sender: object, operation: str, path: str, reason: str) -> None:
    """A request was answered with a failure of ours: disk, space, or an unexpected error."""
    _rare(
        "operation_failed",
        "operation_failed",
        LINES_PER_MINUTE,
        sender=sender,
        operation=operation,
        path=path,
        reason=reason,
    )


def over_quota(sender: object, files: int, size: int) -> None:
    """A sender has as much waiting in its folders as it may: it was told so."""
    facts = {"sender": sender, "files": files, "bytes": size}
    _rare("over_quota", f"over_quota: {sender}", 1, **facts)


# --- the way of a set ----------------------------------------------------------------------


def sealed(key: object) -> None:
    """A set was accepted: its bytes are fixed and out of the sender's reach."""
    _line("sealed", set=key)


def refused(key: object, codes: tuple[str, ...]) -> None:
    """Reception refused the set whole; its negative ACRF exists."""
    _line("refused", set=key, codes=list(codes))


def verified(key: object, service: str, parts: int) -> None:
    """Reception passed; the positive ACRF exists."""
    _line("verified", set=key, service=service, parts=parts)


def signed_with_sha1(sender: object, key: object) -> None:
    """A set was signed with SHA-1, which only a dated exception of its channel allows."""
    _line("signed_with_sha1", level="warning", sender=sender, set=key)


def ingested(key: object, accepted: int, refused: int) -> None:
    """Every form has its verdict; records and NOTI were committed together."""
    _line("ingested", set=key, accepted=accepted, refused=refused)


def answered(key: object, names: tuple[str, ...]) -> None:
    """All answers of the set are in the sender's folder."""
    _line("answered", set=key, names=list(names))


def handed_over(key: object, service: str, ticket: str) -> None:
    """A set is at the destination of its service, which judges its content."""
    _line("handed_over", set=key, service=service, ticket=ticket)


def not_handed_over(key: object, service: str, reason: str) -> None:
    """A destination is away, or refuses: this set and those behind it are tried again."""
    facts = {"set": key, "service": service, "reason": reason}
    kind = f"not_handed_over: {service}"
    _rare("not_handed_over", kind, LINES_PER_MINUTE, level="error", **facts)


def redelivering(key: object, name: str) -> None:
    """An answer that an operator asked for again is put back; who asked is in the database."""
    _line("redelivering", set=key, name=name)


def withdrawn(answers: int, senders: int, shown_before: object) -> None:
    """So many answers had been in OUT for their whole term and left it; they are kept."""
    _line("withdrawn", answers=answers, senders=senders, shown_before=shown_before)


def posted(name: str, service: str) -> None:
    """A service gave an answer; it is decided, and goes into the sender's folder."""
    _line("posted", name=name, service=service)


def deferred(key: object, reason: str) -> None:
    """Undecided for now: looked at again later, refused because of nothing."""
    _rare("deferred", "deferred", LINES_PER_MINUTE, set=key, reason=reason)


def quarantined(key: object, reason: str) -> None:
    """What stopped the worker, or cannot be understood, is kept for a person."""
    _line("quarantined", level="error", set=key, reason=reason)


def worker_failed(key: object, error: BaseException) -> None:
    """The worker stopped on this set; it will be tried again until its attempts are used."""
    _line(
        "worker_failed",
        level="error",
        set=key,
        error=type(error).__name__,
        reason=str(error),
        at=_place(error),
    )


# --- what is done ahead --------------------------------------------------------------------


def source_away(kind: str, url: str, reason: str) -> None:
    """A revocation list or responder is out of reach; told once, until it is back."""
    facts = {"source": kind, "url": url, "reason": reason}
    _rare("source_away", "source_away", LINES_PER_MINUTE, level="warning", **facts)


def source_back(kind: str, url: str) -> None:
    """What was out of reach has answered."""
    _rare("source_back", "source_back", LINES_PER_MINUTE, source=kind, url=url)


def source_fetched(kind: str, url: str, sha256: str, next_update: object) -> None:
    """A list or an answer that we did not have yet is kept."""
    facts = {"source": kind, "url": url, "sha256": sha256, "next_update": next_update}
    _rare("source_fetched", "source_fetched", LINES_PER_MINUTE, **facts)


def measured(host: str, port: int) -> None:
    """What is measured can be asked for here."""
    _line("measured", host=host, port=port)


def end_near(what: str, days: int, ends: object) -> None:
    """A certificate or a list ends; told once for each threshold, of however many there are."""
    _line("end_near", level="warning", what=what, days=days, ends=ends)


def chain_head(environment: str, position: int, digest: str) -> None:
    """The last link of a chain of verdicts, for whoever keeps the log where we cannot write."""
    # In groups, or eleven digits of it in a row might be masked as those of a person.
    shown = ":".join(digest[at : at + 8] for at in range(0, len(digest), 8))
    _line("chain_head", chain=environment, position=position, digest=shown)


# --- everything ----------------------------------------------------------------------------


def recovered(counts: Mapping[str, int]) -> None:
    """The restart scan found and mended this much."""
    _line("recovered", **dict(counts))


def problem(what: str, error: BaseException | None = None) -> None:
    """Something of ours is not as it must be; ``error`` is named with its place, never traced."""
    if error is None:
        _rare("problem", "problem", LINES_PER_MINUTE, level="error", what=what)
    else:
        named = {"error": type(error).__name__, "reason": str(error), "at": _place(error)}
        _rare("problem", "problem", LINES_PER_MINUTE, level="error", what=what, **named)


def mended(what: str) -> None:
    """What a ``problem`` told of is over."""
    _rare("mended", "mended", LINES_PER_MINUTE, what=what)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = next((f for f in reversed(frames) if "batch" in f.filename), frames[-1])
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"


def tell_held_back() -> None:
    """One line for each kind of which more came in the last minute than was written."""
    for kind, lines in _throttle.ended():
        _line("held_back", kind=kind, lines=lines)


@dataclass
class Throttle:
    """Lets so many lines of a kind through per minute, and counts what it holds back."""

    now: Callable[[], float] = time.monotonic
    _windows: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def passes(self, kind: str, limit: int) -> bool:
        """Whether this line may go out; ask ``ended`` first."""
        with self._lock:
            since, passed, held = self._windows.get(kind, (self.now(), 0, 0))
            passes = passed < limit
            self._windows[kind] = (since, passed + passes, held + (not passes))
            return passes

    def ended(self) -> list[tuple[str, int]]:
        """What was held back in the minutes that are over; they are forgotten."""
        with self._lock:
            at = self.now()
            over = [kind for kind, (since, _, _) in self._windows.items() if at - since >= 60]
            sums = [(kind, self._windows.pop(kind)[2]) for kind in over]
            return [(kind, held) for kind, held in sums if held]


_throttle = Throttle()


def _rare(event: str, kind: str, limit: int, **facts: object) -> None:
    tell_held_back()
    if _throttle.passes(kind, limit):
        _line(event, **facts)


def _line(event: str, **facts: object) -> None:
    """Never raises: a log on a full disk must not turn what was done into a failure."""
    with suppress(OSError):
        _writer(sys.stderr).info(event, **facts)


@lru_cache(maxsize=4)
def _writer(stream: TextIO) -> Any:
    readable = structlog.processors.KeyValueRenderer()
    machine = structlog.processors.JSONRenderer()
    return structlog.wrap_logger(
        structlog.WriteLogger(stream),  # line and end in one write: other processes write here too
        wrapper_class=structlog.BoundLogger,
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            plain_text,
            without_inss,
            time_first,
            readable if stream.isatty() else machine,
        ],
    ).bind()  # made now: else once for each line


def time_first(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """When, what, and then the rest in the order in which the function gives it."""
    return {"time": facts.pop("time"), "event": facts.pop("event"), **facts}
