"""The joint committees (zone 00046, annex 26 of the NSSO glossaries) and when each existed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

NONE = "999"
"""Written where a worker belongs to no joint committee; so it names none."""


@dataclass(frozen=True, slots=True)
class Committees:
    """Codes with their first and last quarter, a quarter being year and 1 to 4 (``20241``)."""

    quarters: dict[str, tuple[int, int]]

    def existed(self, code: str, year: int) -> bool:
        """Whether the committee ``code`` existed in some quarter of ``year``."""
        found = self.quarters.get(code)
        return found is not None and found[0] <= year * 10 + 4 and year * 10 + 1 <= found[1]


@lru_cache(maxsize=1)
def joint_committees() -> Committees:
    """The list this release carries, ``joint_committees.csv``."""
    lines = (files(__package__) / "joint_committees.csv").read_text("ascii").splitlines()
    rows = (line.split(",") for line in lines if line[:1].isdigit())
    return Committees({code: (int(first), int(last)) for code, first, last in rows})
