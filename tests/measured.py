"""Pages with figures: the parts of them that a run makes, between their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PART = "<!-- {0} -->\n{1}\n<!-- /{0} -->"


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file in which parts stand between ``<!-- name -->`` and ``<!-- /name -->``."""

    path: Path

    def put(self, name: str, lines: Iterable[str]) -> None:
        """Replace the part that is marked with ``name``. Raises LookupError where there is none."""
        text = self.path.read_text("utf-8")
        part = _PART.format(name, "\n".join(lines))
        pattern = re.escape(_PART.format(name, "@")).replace("@", ".*?")
        made, count = re.subn(pattern, lambda _: part, text, flags=re.DOTALL)
        if count != 1:
            raise LookupError(f"{self.path.name} has {count} places for {name}")
        self.path.write_text(made, "utf-8")
