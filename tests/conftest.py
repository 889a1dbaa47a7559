"""What all tiers share: which tests are slow, and what becomes of a test whose program is absent.

``@pytest.mark.needs("openssl", "/dev/fuse")`` skips the test where a program is not on PATH or, of
what has a slash in it, where there is no such file; relative ones begin at the root of the source.
The end of the run counts such skips and names them. With FLA_BATCH_TESTS_FORBID_SKIPS=1 it fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

FORBID_SKIPS = "FLA_BATCH_TESTS_FORBID_SKIPS"

SLOW_TIERS = (Path("tests/crash"), Path("tests/bench"))

# The time of one example says something about the machine's load and nothing about the code.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)

_skipped = pytest.StashKey[list[tuple[str, str]]]()


def _forbidden() -> bool:
    return os.environ.get(FORBID_SKIPS, "") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: run by make ci-long, not by make test")
    config.addinivalue_line(
        "markers", "needs(*programs_or_files): skipped and counted where one is absent"
    )
    config.stash[_skipped] = []
    settings.load_profile("ci" if _forbidden() else "local")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [config.rootpath / tier for tier in SLOW_TIERS]
    for item in items:
        if any(item.path.is_relative_to(tier) for tier in slow):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    programs = [p for mark in item.iter_markers("needs") for p in mark.args]
    absent = sorted({p for p in programs if not _there(p, item.config.rootpath)})
    if not absent:
        return
    reason = f"absent: {', '.join(absent)}"
    if _forbidden():
        pytest.fail(f"{reason} ({FORBID_SKIPS} is set)", pytrace=False)
    item.config.stash[_skipped].append((item.nodeid, reason))
    pytest.skip(reason)


def _there(needed: str, root: Path) -> bool:
    return (root / needed).exists() if "/" in needed else shutil.which(needed) is not None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skipped = config.stash[_skipped]
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} tests skipped for a program that is absent")
    for nodeid, reason in skipped:
        terminalreporter.write_line(f"{nodeid}: {reason}")
