"""Evidence of sets that openssl signed and sftp sent, judged years later by nothing but itself.

Another process, an empty directory, no instance, and a clock that is years ahead; and the same by
hand, with the commands of docs/audit.md.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.clients import named, new_stem
from tests.acceptance.conftest import Official
from tests.acceptance.instance import COMMAND
from tests.declarations import declaration, person, right

pytestmark = pytest.mark.needs("openssl", "sftp", "ssh-keygen", "base64", "faketime", "unzip")

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
YEARS = (2, 11)
"""When the sender's certificate has expired, and when the institution's has as well."""


@pytest.fixture(scope="module")
def archives(official: Official, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Evidence of an accepted set, one refused with 125, and one of INTEST."""
    place = tmp_path_factory.mktemp("evidence")
    accepted, changed, tested = (
        declaration(right(f"R/evidence/{n}", inss=person(720_000 + n))) for n in range(3)
    )
    sender = official.employer.sender
    stems = {"accepted": official.send(accepted)}
    stems["refused"] = new_stem(sender.number)
    fs = official.openssl.sign(changed.replace(b">3800<", b">1800<"), sender)
    official.employer.put(named(stems["refused"], (changed, fs)))
    stems["tested"] = new_stem(sender.number, "T")
    signed = (tested, official.openssl.sign(tested, sender))
    official.employer.put(named(stems["tested"], signed), "INTEST")
    official.employer.out.verdict(stems["accepted"])
    assert official.employer.out.codes(stems["refused"]) == ["ACRF-125"]
    official.employer.outtest.verdict(stems["tested"])
    assert official.instance.rests()
    found = {}
    for what, stem in stems.items():
        found[what] = place / f"{what}.zip"
        written = official.instance.json(
            "submission", "evidence", stem, "--output", str(found[what])
        )
        assert (written["stem"], written["contents"]) == (stem, [1])
        assert stat.S_IMODE(found[what].stat().st_mode) == 0o600
    return found


def judged(archive: Path, home: Path, when: str, *given: object) -> tuple[int, dict[str, Any]]:
    """What another process says of it, at another time, with nothing else there."""
    command = ["faketime", "-f", when, *COMMAND, "evidence", "verify", archive, *given, "--json"]
    ended = subprocess.run(
        list(map(str, command)), cwd=home, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode in (0, 1), ended.stderr
    assert list(home.iterdir()) == []
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.parametrize("when", YEARS)
@pytest.mark.parametrize("what", ["accepted", "refused", "tested"])
def test_evidence_is_judged_years_later_without_the_channel(
    official: Official, archives: dict[str, Path], tmp_path: Path, what: str, when: int
) -> None:
    authority = official.openssl.home / "authority.pem"
    given = ("--institution", official.instance.institution, "--trust", authority)
    code, told = judged(archives[what], tmp_path, f"+{when * 366}d", *given)
    assert (code, told["genuine"]) == (0, True), told
    assert {check["outcome"] for check in told["checks"]} == {"ok"}
    [verdict] = [check for check in told["checks"] if check["check"] == "verdict"]
    assert ("digest-differs" in verdict["words"]) is (what == "refused")


def test_another_institution_or_authority_is_told(
    official: Official, archives: dict[str, Path], tmp_path: Path
) -> None:
    authority = official.openssl.home / "authority.pem"
    code, told = judged(archives["accepted"], tmp_path, "+0d", "--institution", authority)
    assert (code, told["genuine"]) == (1, False)
    code, told = judged(
        *(archives["accepted"], tmp_path, "+0d", "--trust", official.instance.institution)
    )
    assert [c["check"] for c in told["checks"] if c["outcome"] == "FAILED"] == ["trust"]


def test_a_changed_archive_ends_with_1_and_names_the_member(
    archives: dict[str, Path], tmp_path: Path
) -> None:
    changed, home = tmp_path / "changed.zip", tmp_path / "empty"
    home.mkdir()
    changed.write_bytes(archives["accepted"].read_bytes().replace(b">3800<", b">3801<"))
    code, told = judged(changed, home, "+0d")
    assert code == 1
    failed = {c["about"] for c in told["checks"] if c["outcome"] == "FAILED"}
    assert failed
    assert all("/set/FI." in name or "/answers/FO.NOTI" in name for name in failed)


def by_hand() -> str:
    found = re.search(r"<!-- by hand -->\n```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("change", [False, True])
def test_the_commands_of_the_page_judge_an_archive_by_hand(
    official: Official, archives: dict[str, Path], tmp_path: Path, change: bool
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(official.instance.institution, given / "institution.crt")
    shutil.copy(official.openssl.home / "authority.pem", given / "ca.pem")
    shutil.copy(archives["accepted"], tmp_path / "evidence.zip")
    lines = by_hand()
    if change:
        lines = lines.replace("cat verdict.txt", "echo >> content-1/content.json")
    ended = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail"],
        input=lines,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode == 0) is not change, ended.stdout + ended.stderr
    if not change:
        digests = re.findall(r"^([0-9a-f]{64})  chain/", ended.stdout, re.MULTILINE)
        before = re.findall(r"^([0-9a-f]{64})$", ended.stdout, re.MULTILINE)
        assert len(digests) == len(before) >= 3
        assert set(before[1:]) & set(digests)


def test_the_chains_of_this_channel_are_whole(
    official: Official, archives: dict[str, Path]
) -> None:
    told = official.instance.json("audit", "verify")
    assert [(c["environment"], c["broken"]) for c in told["chains"]] == [
        ("production", None),
        ("test", None),
    ]
    head = told["chains"][0]["head"]
    official.instance.command("audit", "verify", "--head", head).done()
    assert official.instance.command("audit", "verify", "--head", "0" * 64).code == 1
    [newest] = official.instance.json("audit", "list", "--limit", "1")
    assert newest["body"]["state"] in ("ingested", "refused", "verified")
    lines = official.instance.command("audit", "export").done().out.splitlines()
    assert len(lines) == sum(c["links"] for c in told["chains"])
    assert all(json.loads(line)["digest"] for line in lines)
