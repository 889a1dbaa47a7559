"""TD: before the sealing it abandons the set, with 277; after it, it is refused with the reason.

What a client was told and what was answered agree, also when GO and TD are closed together.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fixtures.declared import fs
from tests.acceptance.answers import Outbox
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.held import OK, Held, hold, upload
from tests.acceptance.instance import Instance
from tests.declarations import declaration, person, right

SPREAD = 0.02
"""Seconds by which one CLOSE may come before the other: a sealing takes about as long."""
TOO_LATE = "too late to cancel"
UNFINISHED = 8.0
"""Longer than the files of one set are under way, also where the disk stands still meanwhile."""

_numbers = iter(range(10_000))


@dataclass(frozen=True)
class Two:
    """A served instance and two connections of one sender."""

    instance: Instance
    sender: str
    first: Mail
    second: Mail

    def out(self, folder: str) -> Outbox:
        return self.first.out if folder == "IN" else self.first.outtest

    def answered(self, stem: str, folder: str, count: int = 1) -> list[list[str]]:
        """The codes of every ACRF about ``stem``, sorted, once there are ``count``."""
        deadline = time.monotonic() + 40
        out = self.out(folder)
        while len(found := [a.codes for a in out.about(stem) if a.layer == "ACRF"]) < count:
            assert time.monotonic() < deadline, f"{stem}: {found}"
            out.look()
            time.sleep(0.05)
        return sorted(found)

    def until_empty(self) -> None:
        """Nothing waits any more, so nothing more will be answered."""
        deadline = time.monotonic() + 40
        while any(self.first.names(folder) for folder in ("IN", "INTEST")):
            assert time.monotonic() < deadline, self.first.names("IN")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def two(serving: Serving, registered: Registered) -> Iterator[Two]:
    instance, sender = serving(unfinished_seconds=UNFINISHED), registered.employer
    instance.serve()
    with Mail(instance, sender) as first, Mail(instance, sender) as second:
        yield Two(instance, sender.number, first, second)


def a_set(two: Two, folder: str = "IN", parts: int = 1) -> tuple[str, dict[str, bytes]]:
    """A right set without its GO."""
    stem = new_stem(two.sender, "R" if folder == "IN" else "T")
    contents: list[tuple[bytes, bytes | None]] = []
    for _ in range(parts):
        number = next(_numbers)
        fi = declaration(right(f"cancel/{number}", inss=person(760_000 + number)))
        contents.append((fi, fs(fi) if folder == "IN" else None))
    files = named(stem, *contents)
    del files[f"GO.{stem}.{parts}"]
    return stem, files


# --- the race ---------------------------------------------------------------------------


def close_both(
    go: Held, td: Held, chance: random.Random, spread: float = SPREAD
) -> tuple[str, str]:
    """What was said to the CLOSE of the GO and of the TD."""
    start, said = threading.Barrier(2), {}
    waits = {"go": 0.0, "td": 0.0} | {chance.choice(["go", "td"]): chance.uniform(0, spread)}

    def close(who: str, held: Held) -> None:
        start.wait(60)
        time.sleep(waits[who])
        said[who] = held.close()

    other = threading.Thread(target=close, args=("td", td))
    other.start()
    close("go", go)
    other.join()
    return said["go"], said["td"]


@pytest.mark.parametrize(
    "rounds", [60, pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_of_a_go_and_a_td_closed_together_one_wins_and_both_clients_know_which(
    two: Two, rounds: int
) -> None:
    """In both folders, of one part and of several, with an empty TD and with one that is not.

    Where one always comes first, since threads are slow to start, there are more rounds, in which
    the other has more time.
    """
    chance = random.Random(rounds)
    won: Counter[tuple[str, bool]] = Counter()
    told: dict[str, tuple[str, bool]] = {}
    for number in range(3 * rounds):
        if number >= rounds and len(won) == 4:
            break
        folder, parts = chance.choice(["IN", "INTEST"]), chance.choice([1, 1, 3])
        stem, files = a_set(two, folder, parts)
        two.first.put(files, folder)
        go = hold(two.first, folder, f"GO.{stem}.{parts}")
        td = hold(two.second, folder, f"TD.{stem}.{parts}")
        assert isinstance(go, Held)
        assert isinstance(td, Held)
        if chance.random() < 0.3:
            td.write(b"stop it")
        said_go, said_td = close_both(go, td, chance, SPREAD * (1 + 10 * (number // rounds)))
        assert said_go == OK, "a GO that finds its set cancelled is a repeat"
        assert said_td == OK or TOO_LATE in said_td
        told[stem] = folder, said_td == OK
        won[told[stem]] += 1
    for stem, (folder, cancelled) in told.items():
        receipt, _ = two.out(folder).verdict(stem)
        assert receipt.codes == (["ACRF-277"] if cancelled else []), stem
    two.until_empty()
    for folder in ("IN", "INTEST"):
        two.out(folder).look()
    for stem, (folder, cancelled) in told.items():
        assert len(two.out(folder).about(stem)) == (1 if cancelled else 2), stem
    assert len(won) == 4, f"this was no race: {won}"


# --- each kind of TD --------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["IN", "INTEST"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("content", [b"", b"stop it"])
def test_a_td_before_the_go_abandons_the_set(
    two: Two, folder: str, parts: int, content: bytes
) -> None:
    stem, files = a_set(two, folder, parts)
    two.first.put(files, folder)
    assert upload(two.second, folder, f"TD.{stem}.{parts}", content) == OK
    assert two.answered(stem, folder) == [["ACRF-277"]]


def test_a_td_abandons_a_set_whose_go_waits_for_its_files(two: Two) -> None:
    stem, files = a_set(two, parts=2)
    first, *_, late = files
    assert upload(two.first, "IN", f"GO.{stem}.2") == OK
    assert upload(two.first, "IN", first, files[first]) == OK
    assert upload(two.second, "IN", f"TD.{stem}.2") == OK
    assert two.answered(stem, "IN") == [["ACRF-277"]]
    two.until_empty()
    assert upload(two.first, "IN", late, files[late]) == OK
    two.until_empty()
    assert two.answered(stem, "IN") == [["ACRF-277"]], "an FS alone adds nothing"


def test_a_td_for_nothing_uses_the_stem_up(two: Two) -> None:
    """Files that come after it are other content under a used name."""
    stem, files = a_set(two)
    assert upload(two.first, "IN", f"TD.{stem}.1") == OK
    assert two.answered(stem, "IN") == [["ACRF-277"]]
    two.first.put(files | {f"GO.{stem}.1": b""})
    assert two.answered(stem, "IN", 2) == [["ACRF-133"], ["ACRF-277"]]
    two.until_empty()
    assert len(two.out("IN").about(stem)) == 2


def test_files_at_the_heels_of_a_td_are_answered_on_their_own(two: Two) -> None:
    """While the TD is still listed."""
    stem, files = a_set(two)
    two.first.put({f"TD.{stem}.1": b""} | files | {f"GO.{stem}.1": b""})
    assert two.answered(stem, "IN", 2) == [["ACRF-133"], ["ACRF-277"]]
    two.until_empty()
    assert len(two.out("IN").about(stem)) == 2


def test_a_second_td_is_refused_and_leaves_no_answer(two: Two) -> None:
    """At once, and when the first was answered long ago."""
    stem, files = a_set(two)
    two.first.put(files)
    assert upload(two.first, "IN", f"TD.{stem}.1") == OK
    assert TOO_LATE in upload(two.second, "IN", f"TD.{stem}.1")
    two.answered(stem, "IN")
    two.until_empty()
    assert TOO_LATE in upload(two.second, "IN", f"TD.{stem}")
    two.until_empty()
    assert two.answered(stem, "IN") == [["ACRF-277"]]


def test_two_tds_closed_together_cancel_once(two: Two) -> None:
    chance = random.Random(2)
    for _ in range(10):
        stem, files = a_set(two)
        two.first.put(files)
        one, other = hold(two.first, "IN", f"TD.{stem}.1"), hold(two.second, "IN", f"TD.{stem}")
        assert isinstance(one, Held)
        assert isinstance(other, Held)
        said = close_both(one, other, chance)
        assert sorted(word == OK for word in said) == [False, True], said
        assert two.answered(stem, "IN") == [["ACRF-277"]]


def test_a_td_by_rename_comes_too_late_as_well(two: Two) -> None:
    stem, files = a_set(two)
    assert upload(two.second, "IN", "td.part") == OK
    two.first.put(files | {f"GO.{stem}.1": b""})
    with pytest.raises(OSError, match=TOO_LATE):
        two.second._sftp.rename("/IN/td.part", f"/IN/TD.{stem}.1")
    two.second.remove("IN", ["td.part"])
    receipt, _ = two.first.out.verdict(stem)
    assert receipt.codes == []


def test_a_td_whose_total_is_none_cancels_all_the_same(two: Two) -> None:
    """Its stem says which set it means."""
    stem, files = a_set(two)
    two.first.put(files)
    assert upload(two.second, "IN", f"TD.{stem}.X") == OK
    assert two.answered(stem, "IN") == [["ACRF-277"]]
    two.until_empty()
    assert len(two.out("IN").about(stem)) == 1
