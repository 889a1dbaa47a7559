"""What all tiers share: which tests are slow, and what becomes of a test that cannot run here.

``@pytest.mark.needs("openssl", "/dev/fuse")`` skips the test where a program is not on PATH or, of
what has a slash in it, where there is no such file; relative ones begin at the root of the source.
The end of the run counts skips and names them. With FLA_BATCH_TESTS_FORBID_SKIPS=1 each one fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from batch import journal

FORBID_SKIPS = "FLA_BATCH_TESTS_FORBID_SKIPS"

SLOW_TIERS = (Path("tests/crash"), Path("tests/bench"))

# The time of an example, or to make it, says something about the machine's load and nothing about
# the code.
UNTIMED = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=UNTIMED)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)


def skips_forbidden() -> bool:
    """Whether everything that tests need must be here, as in .ci/run."""
    return os.environ.get(FORBID_SKIPS, "") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: run by make ci-long, not by make test")
    config.addinivalue_line("markers", "shows(*codes): the codes it shows, for docs/coverage.md")
    config.addinivalue_line(
        "markers", "needs(*programs_or_files): skipped and counted where one is absent"
    )
    settings.load_profile("ci" if skips_forbidden() else "local")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [config.rootpath / tier for tier in SLOW_TIERS]
    for item in items:
        if any(item.path.is_relative_to(tier) for tier in slow):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    programs = [p for mark in item.iter_markers("needs") for p in mark.args]
    absent = sorted({p for p in programs if not _there(p, item.config.rootpath)})
    if absent:
        pytest.skip(f"absent: {', '.join(absent)}")


def _there(needed: str, root: Path) -> bool:
    return (root / needed).exists() if "/" in needed else shutil.which(needed) is not None


@pytest.fixture(autouse=True)
def own_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test hears what the log of one before it held back."""
    monkeypatch.setattr(journal, "_throttle", journal.Throttle())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and skips_forbidden():
        report.outcome = "failed"
        report.longrepr = f"{_reason(report)} ({FORBID_SKIPS} is set)"
    return report


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, without what pytest puts in front."""
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Also those of the workers: their reports come here."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} tests skipped: something they need is not here")
    for report in skipped:
        terminalreporter.write_line(f"{report.nodeid}: {_reason(report)}")
