"""The seeded bugs by name, and where to look for each: a hunt ends at the first broken promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.lab.places import HUNTING, PROCESS
from tests.crash.lab.points import Point

Likely = Callable[[Point], bool]


@dataclass(frozen=True, slots=True)
class Bug:
    """``kinds``: deaths that show it, best first. ``likely``: points tried before all others."""

    name: str
    kinds: tuple[str, ...]
    likely: Likely


def _after(*labels: str) -> Likely:
    return lambda point: any(label in point.after for label in labels)


def _before(role: str, *about: str) -> Likely:
    """Before a call of ``role`` whose description holds one of these texts."""
    return lambda point: (
        point.role == role
        and point.call is not None
        and any(text in f"{point.call.name} {point.call.about}" for text in about)
    )


CUT = ("ext4", "xfs", HUNTING)
TORN = (HUNTING, "ext4", "xfs")
"""Where a name alone is to be lost."""
KILL = (PROCESS,)

BUGS = (
    Bug("no_file_fsync", CUT, _after("stored FI", "stored FS")),
    Bug("no_directory_fsync", TORN, _after("stored FI", "stored FS", "stored GO")),
    Bug("sqlite_normal", CUT, _after("read ACRF", "read NOTI", "removed GO")),
    Bug("sqlite_off", CUT, _after("read ACRF", "read NOTI", "removed GO")),
    Bug("answer_before_commit", CUT, _before("worker", "fdatasync db/production.sqlite-wal")),
    Bug("two_transactions", CUT, _before("worker", "fdatasync db/")),
    Bug("manifest_not_synced", CUT, _after("stored GO")),
    Bug("answers_not_synced", CUT, _after("read ACRF", "read NOTI", "removed GO")),
    Bug("out_not_synced", TORN, _after("read NOTI", "read ACRF")),
    Bug("sealed_not_synced", TORN, _after("stored FI", "stored FS")),
    Bug("broken_off_is_published", KILL, _after("read NOTI")),
    Bug("removal_is_forgotten", KILL, _before("worker", "fsync channels/#/OUT")),
    Bug("restart_tidies_too_much", KILL, _after("stored GO")),
    Bug("shown_then_answered", CUT, _before("worker", "fdatasync db/")),
    Bug("ok_too_soon", KILL, _after("stored FI", "stored FS", "stored GO")),
    Bug("archived_before_shown", KILL, _before("worker", "linkat", "link ", "fsync channels")),
)
