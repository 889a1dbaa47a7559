"""The FS files of the corpus, judged as they lie there; and what two others say of them."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache
from types import SimpleNamespace

import pytest

from batch.signing.certificate import read
from batch.signing.policy import SignaturePolicy
from batch.signing.verdict import NotSigned, Signed, Verdict
from batch.signing.verification import begin
from fixtures.corpus import opinions, page
from fixtures.corpus.catalogue import entries
from fixtures.corpus.disagreements import key_of
from fixtures.corpus.index import SIGNATURES, Listed, instant, listed, pem

CASES = listed()


@cache
def der(name: str) -> bytes:
    return read(pem(name).read_bytes()).der


def judged(case: Listed) -> Verdict:
    registered = [SimpleNamespace(der=der(name)) for name in case.registered]
    policy = SignaturePolicy.trusting(der(name) for name in case.trust)
    verifier = begin(case.file.read_bytes(), registered, policy, instant())
    if isinstance(verifier, NotSigned):
        return verifier
    verifier.update(case.fi_file.read_bytes())
    return verifier.finish()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_fs_is_accepted_or_refused_for_its_own_cause(case: Listed) -> None:
    found = judged(case)
    if case.cause is None:
        assert isinstance(found, Signed), found
        return
    assert isinstance(found, NotSigned)
    assert found.cause == case.cause, found.words
    assert found.words.endswith(".")
    assert found.words.isprintable()
    assert len(found.words) < 1500


def test_the_corpus_is_large_small_in_bytes_and_made_in_three_ways() -> None:
    made = Counter(case.made for case in CASES)
    assert len(CASES) >= 150
    assert min(made[way] for way in ("by hand", "openssl", "asn1crypto")) >= 15
    assert sum(file.stat().st_size for file in SIGNATURES.rglob("*.*")) < 1_500_000


def test_nothing_is_made_twice_in_the_same_way() -> None:
    seen = Counter(
        (case.made, case.file.read_bytes(), case.fi, case.registered, case.trust) for case in CASES
    )
    assert seen.most_common(1)[0][1] == 1, [case for case, times in seen.items() if times > 1]


def test_the_corpus_is_what_its_declarations_make() -> None:
    """An FS of the openssl command has the time of day in it: that one only has to be there."""
    declared = list(entries())
    assert [entry.name for entry in declared] == [case.name for case in CASES]
    for entry, case in zip(declared, CASES, strict=True):
        assert entry.once or entry.make() == case.file.read_bytes(), entry.name
        assert (entry.cause, entry.fi, entry.made) == (case.cause, case.fi, case.made)
    wanted = {case.file for case in CASES}
    assert set(SIGNATURES.rglob("*.fs")) == wanted


def test_every_disagreement_has_a_reason_and_every_reason_a_disagreement() -> None:
    used: dict[str, set[str | None]] = {who: set() for who in page.REASONS}
    for row in page.rows():
        for who, reasons in page.REASONS.items():
            if row.disagrees(who):
                assert row.reason(who) is not None, f"{who} on {row.case.name}: no reason"
                used[who].add(key_of(reasons, row.case))
    assert used == {who: set(reasons) for who, reasons in page.REASONS.items()}


@pytest.mark.slow
@pytest.mark.needs("openssl")
def test_openssl_and_pyhanko_still_say_what_was_recorded() -> None:
    """Another openssl may say otherwise, but no disagreement stays without a reason."""
    found = opinions.ask_all(CASES)
    known = page.record()
    for who, reasons in page.REASONS.items():
        accepted = {name for name, opinion in found.items() if getattr(opinion, who)}
        same = opinions.versions()[who].split(".")[:2] == known["versions"][who].split(".")[:2]
        if same:
            assert accepted == set(known["accepts"][who])
        unexplained = [
            case.name
            for case in CASES
            if (case.name in accepted) != (case.cause is None) and key_of(reasons, case) is None
        ]
        assert unexplained == []


def test_the_costliest_fs_are_cheap() -> None:
    """Each of these was made to cost; 20 ms is what a set may take here, and far above it."""
    head = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01"
    nothing = b"\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x00\x00"
    costly = [
        b"\x30\x80" * 32_000,
        b"\x30\x80" * 16_000 + b"\x00\x00" * 16_000,
        head + nothing + b"\xa0\x80" + b"\x05\x00" * 30_000 + b"\x00\x00" * 5,
        head + b"\x31\x80" + b"\x30\x80" * 12 + b"\x05\x00" * 2_000 + b"\x00\x00" * 20,
        b"\x3f" + b"\xff" * 65_000,
        b"\x30\x83\x00\xfa\x00" + b"\x30\x00" * 32_000,
        head + b"\x31\x82\xfa\x00" + b"\x30\x03\x06\x01\x2a" * 12_800,
    ]
    policy = SignaturePolicy.trusting([der("ca")])
    for fs in costly:
        spent = []
        for _ in range(3):
            start = time.thread_time()
            assert isinstance(begin(fs, [], policy, instant()), NotSigned)
            spent.append(time.thread_time() - start)
        assert min(spent) < 0.020, fs[:40]
