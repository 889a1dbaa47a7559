"""Write the pages of this folder that are made from the code: ``make docs``."""

from __future__ import annotations

from pathlib import Path

from batch import catalogue

PAGES = {"anomalies.md": catalogue.document}
"""Page name, and what makes its text. A test compares them: a stale page is red."""


def main() -> None:
    for name, made_by in PAGES.items():
        (Path(__file__).parent / name).write_text(made_by(), encoding="utf-8")


if __name__ == "__main__":
    main()
