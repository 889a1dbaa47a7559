"""The seeded bugs by name, and where to look for each: a hunt ends at the first broken promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.lab.places import HUNTING, PROCESS
from tests.crash.lab.points import Point

Likely = Callable[[Point], bool]


@dataclass(frozen=True, slots=True)
class Bug:
    """``kinds``: deaths that show it, best first. ``likely``: points tried before all others.
    ``seen``: what it is known by, a pattern; anything else that goes wrong does not find it."""

    name: str
    kinds: tuple[str, ...]
    likely: Likely
    seen: str

    def shown_by(self, wrong: list[str]) -> bool:
        return re.search(self.seen, "; ".join(wrong)) is not None


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

SILENT = "not every set|no receipt"
"""What was accepted is not answered, because it cannot be read or is not there any more."""
BYTES = "other bytes now|no answer can be read"
GONE = "stored, and gone|seen, and gone"
LOST = f"accepted, and not recorded|{GONE}|{SILENT}"

BUGS = (
    Bug("no_file_fsync", CUT, _after("stored FI", "stored FS"), f"{BYTES}|{SILENT}"),
    Bug("no_directory_fsync", TORN, _after("stored FI", "stored FS", "stored GO"), LOST),
    Bug("sqlite_normal", CUT, _after("read ACRF", "read NOTI", "removed GO"), LOST),
    Bug("sqlite_off", CUT, _after("read ACRF", "read NOTI", "removed GO"), LOST),
    Bug(
        "answer_before_commit",
        CUT,
        _before("worker", "fdatasync db/production.sqlite-wal"),
        f"left in quarantine|{BYTES}|{GONE}|{SILENT}",
    ),
    Bug("two_transactions", CUT, _before("worker", "fdatasync db/"), "of a form that is right"),
    Bug("manifest_not_synced", CUT, _after("stored GO"), f"{SILENT}|disk failed"),
    Bug(
        "answers_not_synced",
        CUT,
        _before("worker", "linkat", "link "),
        f"{BYTES}|{GONE}|{SILENT}|left in sealed",
    ),
    Bug("out_not_synced", TORN, _after("read NOTI", "read ACRF"), f"seen, and gone|{SILENT}"),
    Bug("sealed_not_synced", TORN, _after("stored FI", "stored FS"), f"{BYTES}|{LOST}"),
    Bug("broken_off_is_published", KILL, _after("read NOTI"), "broken off, and listed"),
    Bug(
        "removal_is_forgotten",
        KILL,
        _before("worker", "fsync channels/#/OUT"),
        "removed, and there again",
    ),
    Bug("restart_tidies_too_much", KILL, _after("stored GO"), SILENT),
    Bug("shown_then_answered", CUT, _before("worker", "fdatasync db/"), "left in sealed"),
    Bug("ok_too_soon", KILL, _after("stored FI", "stored FS", "stored GO"), "no such file"),
    Bug(
        "archived_before_shown",
        KILL,
        _before("worker", "linkat", "link ", "fsync channels"),
        SILENT,
    ),
)
