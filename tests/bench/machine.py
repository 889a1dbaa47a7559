"""Where it was measured: the machine, and the versions of ours and of the peers."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from lxml import etree

import batch
from tests.bench import openssh


def told(work: Path) -> dict[str, str]:
    """What the page says of it, by heading."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        "system": f"Linux {platform.release()}, {_file_system(work)}",
        "ours": ", ".join(_ours()),
        "peers": ", ".join(_peers()),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _file_system(work: Path) -> str:
    """Type and options of the mount that holds ``work``."""
    best = ("", "?", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if work.resolve().is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind, options)
    return f"{best[1]} ({best[2]})"


def _ours() -> list[str]:
    names = ("asyncssh", "uvloop", "cryptography", "lxml", "SQLAlchemy")
    found = [f"fla-batch {batch.__version__}", f"Python {platform.python_version()}"]
    found += [f"{name} {version(name)}" for name in names]
    libxml2 = ".".join(map(str, etree.LIBXML_VERSION))
    return [*found, f"libxml2 {libxml2}", f"SQLite {sqlite3.sqlite_version}"]


def _peers() -> list[str]:
    found = [openssh.version()] if openssh.sshd() else []
    asked = (("xmllint", "--version"), ("openssl", "version"), ("sqlite3", "--version"))
    for words in asked:
        if shutil.which(words[0]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            found.append(_version(words[0], done.stdout + done.stderr))
    return found


def _version(program: str, said: str) -> str:
    if program == "xmllint":
        number = re.search(r"version (\d)(\d\d)(\d\d)", said)
        return f"xmllint {'.'.join(str(int(n)) for n in number.groups())}" if number else program
    number = re.search(r"\d+\.\d+[\w.]*", said)
    return f"{program} {number[0]}" if number else program
