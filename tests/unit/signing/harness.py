"""Judges mutants by the thousand and says what must never come of one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace

from batch.signing import verification
from batch.signing.certificate import read
from batch.signing.encoding import decode
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import Cause, NotSigned, Signed, Verdict
from fixtures.corpus.index import instant, listed, pem
from fixtures.corpus.recipe import FI
from tests.unit.signing.mutation import Mutator, Sample, sample

CHANGED = FI.replace(b"<Form/>", b"<Form>1</Form>")
MAX_WORDS = 1500  # the words of OTHER_CERTIFICATE name two subjects of 300 characters each
MAX_SECONDS = 0.25  # of CPU: a mutant costs a tenth of a millisecond; this is for a slow machine

ALL = ("employer", "employer-p256", "employer-e3", "renewed")

Begin = Callable[..., "verification.Verifier | NotSigned"]


@dataclass
class Tally:
    """What came of the mutants, and what was wrong, as far as ten such are told."""

    mutants: int = 0
    accepted: int = 0
    slowest: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@cache
def _der(name: str) -> bytes:
    return read(pem(name).read_bytes()).der


@cache
def samples() -> tuple[Sample, ...]:
    """The right FS of the corpus that ``ALL`` signed, and that are no layout of another."""
    chosen = [
        case
        for case in listed()
        if case.cause is None
        and case.fi == "FI.xml"
        and set(case.registered) <= set(ALL)
        and not case.name.startswith("text/")
    ]
    opened = [decode(case.file.read_bytes(), 1 << 20) for case in chosen]
    return tuple(sample(der) for der in opened if isinstance(der, bytes))


def run(count: int, seed: int, begin: Begin | None = None) -> Tally:
    """Judge ``count`` mutants by ``begin``, the channel's own where it is not given."""
    judge = begin or verification.begin
    registered = [SimpleNamespace(der=_der(name)) for name in ALL]
    policy = SignaturePolicy.trusting([_der("ca")])
    at = instant()
    mutator = Mutator(samples(), CHANGED, seed)
    tally = Tally()
    for number in range(count):
        fs = mutator.fs()
        fi = FI if number % 8 == 0 else CHANGED if number % 2 else mutator.fi(FI)
        start = time.thread_time()
        try:
            verifier = judge(fs, registered, policy, at)
            found: Verdict
            if isinstance(verifier, NotSigned):
                found = verifier
            else:
                verifier.update(fi)
                found = verifier.finish()
        except Exception as raised:  # that nothing is raised is what is shown
            found = NotSigned(Cause.MALFORMED, f"raised {raised!r}")
        spent = time.thread_time() - start
        tally.mutants += 1
        tally.slowest = max(tally.slowest, spent)
        for wrong in _wrong(found, fi, spent):
            if len(tally.wrong) < 10:
                tally.wrong.append(f"mutant {number} of seed {seed}: {wrong}: {fs[:3000]!r}")
        if isinstance(found, Signed):
            tally.accepted += 1
        elif isinstance(found, NotSigned):
            tally.causes[found.cause] += 1
    return tally


def _wrong(found: Verdict, fi: bytes, spent: float) -> Iterator[str]:
    if spent > MAX_SECONDS:
        yield f"took {spent:.3f} s"
    if isinstance(found, Signed):
        if fi != FI:
            yield "accepted with a changed FI"
        return
    if not isinstance(found, NotSigned):
        yield f"ended in {found!r}"
        return
    words = found.words
    if not words.endswith(".") or not words.isprintable() or len(words) > MAX_WORDS:
        yield f"says {words[:200]!r}"
