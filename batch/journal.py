"""The domain log: one function per thing that can happen; nobody formats a line elsewhere.

One JSON object per line on stderr, key=value on a terminal. Whatever a client said is escaped
and cut; a processor masks what looks like an INSS, as the last line of defence: the first is
that no caller hands one over.
"""

from __future__ import annotations

import re
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

LONGEST = 256
"""Characters kept of any text: enough to recognise it, too few to flood the log with."""

LINES_PER_MINUTE = 60
"""Of one event that a broken disk, say, can repeat at will; the rest is counted."""
STRANGERS_LINES = 10
"""The same for what strangers can cause, who come in thousands: of each kind so many, and a sum."""

_INSS_LIKE = re.compile(
    r"(?<![0-9])[0-9]{2}(?:[./ -]?[0-9]{2}){2}[./ -]?[0-9]{3}[./ -]?[0-9]{2}(?![0-9])", re.ASCII
)


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


def ingested(key: object, accepted: int, refused: int) -> None:
    """Every form has its verdict; records and NOTI were committed together."""
    _line("ingested", set=key, accepted=accepted, refused=refused)


def answered(key: object, names: tuple[str, ...]) -> None:
    """All answers of the set are in the sender's folder."""
    _line("answered", set=key, names=list(names))


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
        structlog.PrintLogger(stream),
        wrapper_class=structlog.BoundLogger,
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            plain_text,
            without_inss,
            time_first,
            readable if stream.isatty() else machine,
        ],
    )


def time_first(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """When, what, and then the rest in the order in which the function gives it."""
    return {"time": facts.pop("time"), "event": facts.pop("event"), **facts}


def plain_text(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Every value escaped to printable ASCII and cut: no client can forge or flood a line."""
    return {key: _plain(value) for key, value in facts.items()}


def without_inss(
    _logger: object, _method: str, facts: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask every eleven digits, however grouped, whose last two check the nine before."""
    return {key: _masked(value) for key, value in facts.items()}


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return ascii(str(value))[1:-1][:LONGEST]


def _masked(value: object) -> Any:
    match value:
        case list():
            return [_masked(item) for item in value]
        case str():
            return _INSS_LIKE.sub(_mask, value)
        case int() if value >= 10**9 and _mask_needed(f"{value:011d}"):
            return "[INSS]"
        case _:
            return value


def _mask(found: re.Match[str]) -> str:
    return "[INSS]" if _mask_needed(re.sub("[^0-9]", "", found[0])) else found[0]


def _mask_needed(digits: str) -> bool:
    """Does the check number fit, for a birth before 2000 or (a 2 in front) after?

    Wider than the value type on purpose: a date that cannot be is masked as well.
    """
    if len(digits) != 11:
        return False
    body, check = digits[:9], int(digits[9:])
    return check in (97 - int(body) % 97, 97 - int("2" + body) % 97)
