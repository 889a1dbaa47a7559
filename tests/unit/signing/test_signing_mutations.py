"""A million mutants: none accepted with a changed FI, none that raises; and a witness of it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from batch.signing import verification
from batch.signing.verdict import Cause, NotSigned
from tests.unit.signing.harness import Tally, run

ROOT = Path(__file__).parents[3]


def assert_right(tally: Tally) -> None:
    assert tally.wrong == []
    # Mutants that all die in base64 would show nothing: they reach every step of the verifier.
    reached = set(tally.causes)
    assert {
        Cause.BASE64_PADDING,
        Cause.MALFORMED,
        Cause.TRAILING_BYTES,
        Cause.VERSION,
        Cause.ATTRIBUTES_NOT_DER,
        Cause.ATTRIBUTE_MISSING,
        Cause.OTHER_CERTIFICATE,
        Cause.DIGEST_NOT_ALLOWED,
        Cause.SIGNATURE_WRONG,
        Cause.DIGEST_DIFFERS,
    } <= reached
    assert tally.accepted > tally.mutants // 200  # what is unsigned may change


def test_a_sample_of_mutants() -> None:
    assert_right(run(15_000, seed=1))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_mutants() -> None:
    """Two processes, half each, where there are two processors; memory must stay flat."""
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.signing.test_signing_mutations", str(seed)], cwd=ROOT
        )
        for seed in (1_000, 2_000)
    ]
    try:
        assert [half.wait(timeout=1700) for half in halves] == [0, 0]
    finally:
        for half in halves:
            half.kill()


def half_a_million(seed: int) -> None:
    """Five hundred thousand, in tens of thousands, each with a seed of its own."""
    whole = Tally()
    run(10_000, seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for part in range(50):
        tally = run(10_000, seed + part)
        whole.mutants += tally.mutants
        whole.accepted += tally.accepted
        whole.causes += tally.causes
        whole.wrong += tally.wrong
        whole.slowest = max(whole.slowest, tally.slowest)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{whole.mutants} mutants, {whole.accepted} accepted, slowest {whole.slowest:.4f} s")
    print(f"memory grew by {grown:.0f} MiB; {dict(whole.causes.most_common())}")
    assert_right(whole)
    assert grown < 32


@pytest.fixture
def never_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.signing.verification.hmac.compare_digest", lambda one, other: True)


def test_a_verifier_that_compares_no_digest_is_found(never_compares: None) -> None:
    assert any("changed FI" in wrong for wrong in run(300, seed=2).wrong)


def test_a_verifier_that_checks_no_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "check_signature", lambda *all_of_it: None)
    assert any("changed FI" in wrong for wrong in run(2_000, seed=3).wrong)


def test_a_verifier_that_raises_is_found() -> None:
    def fragile(fs: bytes, *rest: object) -> verification.Verifier | NotSigned:
        if len(fs) % 97 == 0:
            raise IndexError(fs)
        return verification.begin(fs, *rest)  # type: ignore[arg-type]

    assert any("raised" in wrong for wrong in run(1_000, seed=4, begin=fragile).wrong)


if __name__ == "__main__":
    half_a_million(int(sys.argv[1]))
