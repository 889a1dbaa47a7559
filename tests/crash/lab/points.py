"""Where to die: before a change of the disk in one process, or after an act of the sender."""

from __future__ import annotations

from dataclasses import dataclass

from tests.crash.lab.tracing import Call

ROLES = ("sftp", "worker", "supervisor")


@dataclass(frozen=True, slots=True)
class Point:
    """``role`` dies before ``call``; or, of the sender, everything dies right after an act."""

    role: str
    call: Call | None = None
    after: str = ""

    def __str__(self) -> str:
        if self.call is None:
            return f"{self.role} after {self.after}"
        return f"{self.role} before {self.call.name} {self.call.number} ({self.call.about})"
