"""Nothing in IN or INTEST stays unanswered: sets with random defects, each accounted for.

They come over several connections of two senders, their files in any order. The seed is printed;
FLA_BATCH_TESTS_SEED gives it again.
"""

from __future__ import annotations

import json
import os
import queue
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.acceptance.answers import Answer, Outbox
from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.dropped import (
    DEFECTS,
    PLACES,
    REFUSED,
    UNREADABLE,
    Draft,
    Recipe,
    recipes,
)
from tests.acceptance.held import OK, hold, upload
from tests.acceptance.instance import Instance

GRACE, UNFINISHED = 5.0, 12.0
"""Longer than the files of one set are under way, also where this machine has other work."""
CONNECTIONS = 4
TOGETHER = 6
"""Sets whose files are mixed."""
AGAIN = 5
"""One set in so many comes again, in each way there is."""

Upload = tuple[str, str, bytes]
"""Folder, name, content."""


@dataclass
class Owed:
    """What must come about one stem (or name) in one folder.

    ``receipts``: the codes of each ACRF; ``exact``: these and no others. ``results``: of the forms
    of its one NOTI, when an ACRF is positive.
    """

    receipts: list[set[str]]
    exact: bool
    results: list[str] = field(default_factory=list)


@dataclass
class Dropping:
    """A served instance, its senders' connections, and what is owed to whom."""

    instance: Instance
    mails: dict[str, list[Mail]]
    chance: random.Random
    owed: dict[tuple[str, str, str], Owed] = field(default_factory=dict)

    def out(self, sender: str, folder: str) -> Outbox:
        mail = self.mails[sender][0]
        return mail.out if folder == "IN" else mail.outtest

    def drop(self, drafts: list[Draft]) -> list[str]:
        """Send sets, the files of some at a time mixed over all connections of their sender.

        What was refused, with the sentence.
        """
        with Couriers(self.mails) as couriers:
            for start in range(0, len(drafts), TOGETHER):
                jobs: list[tuple[str, list[Upload]]] = []
                for draft in drafts[start : start + TOGETHER]:
                    files = [(draft.folder, n, c) for n, c in draft.files().items()]
                    alone = [files] if draft.ordered else [[file] for file in files]
                    jobs += [(draft.sender, job) for job in alone]
                self.chance.shuffle(jobs)
                for sender, job in jobs:
                    couriers.waiting[sender].put(job)
        return couriers.refused

    def until_empty(self) -> None:
        """Until no inbox lists anything."""
        deadline = time.monotonic() + UNFINISHED + 240
        for sender, (mail, *_) in self.mails.items():
            for folder in ("IN", "INTEST"):
                while left := mail.names(folder):
                    assert time.monotonic() < deadline, f"{sender}/{folder}: {left[:20]}"
                    time.sleep(0.2)
                self.out(sender, folder).look()

    def about(self, sender: str, folder: str, stem: str) -> list[Answer]:
        return self.out(sender, folder).about(stem)


class Couriers:
    """A thread for each connection: it uploads what its sender's queue holds, in that order."""

    def __init__(self, mails: dict[str, list[Mail]]) -> None:
        self.waiting: dict[str, queue.Queue[list[Upload] | None]] = defaultdict(queue.Queue)
        self.refused: list[str] = []
        self._threads: list[tuple[str, threading.Thread]] = [
            (sender, threading.Thread(target=self._run, args=(sender, mail)))
            for sender, mine in mails.items()
            for mail in mine
        ]

    def __enter__(self) -> Couriers:
        for each in self._threads:
            each[1].start()
        return self

    def __exit__(self, *_error: object) -> None:
        for sender, _ in self._threads:
            self.waiting[sender].put(None)
        for each in self._threads:
            each[1].join()

    def _run(self, sender: str, mail: Mail) -> None:
        while (job := self.waiting[sender].get()) is not None:
            for folder, name, content in job:
                said = upload(mail, folder, name, content)
                if said != OK:
                    self.refused.append(f"{folder}/{name}: {said}")


@pytest.fixture
def dropping(serving: Serving, registered: Registered) -> Iterator[Dropping]:
    instance = serving(grace_seconds=GRACE, unfinished_seconds=UNFINISHED)
    instance.serve()
    number = int(os.environ.get("FLA_BATCH_TESTS_SEED") or secrets.randbelow(2**32))
    print(f"FLA_BATCH_TESTS_SEED={number}")
    with ExitStack() as stack:
        mails = {
            sender.number: [stack.enter_context(Mail(instance, sender)) for _ in range(CONNECTIONS)]
            for sender in (registered.employer, registered.mandatary)
        }
        dropping = Dropping(instance, mails, random.Random(number))
        yield dropping
    assert instance.stop() == 0


def chosen(count: int, chance: random.Random) -> list[Recipe]:
    """Each defect alone, and what hypothesis finds, ``count`` in all."""
    found = [Recipe(forms=((True,), (True, False)), defects=(name,)) for name in DEFECTS]
    found += [Recipe(folder=folder, letter=letter) for folder, letter in PLACES]
    found += [Recipe(), Recipe(folder="INTEST"), Recipe(defects=("short names",))]

    @seed(chance.randrange(2**32))
    @settings(
        max_examples=count - len(found),
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(recipes())
    def collect(recipe: Recipe) -> None:
        found.append(recipe)

    collect()
    assert len(found) >= 0.9 * count
    return found


def send_first(dropping: Dropping, found: list[Recipe]) -> list[tuple[Recipe, Draft]]:
    """Every recipe once, and names that say nothing beside them."""
    made = [(recipe, recipe.draft()) for recipe in found]
    for recipe, draft in made:
        dropping.owed[draft.sender, draft.folder, draft.stem] = Owed(
            [draft.expected()], recipe.is_exact, draft.results
        )
    for sender, (mail, *_) in dropping.mails.items():
        for folder in ("IN", "INTEST"):
            for beginning, code in UNREADABLE.items():
                name = f"{beginning}.{secrets.token_hex(4)}"
                assert upload(mail, folder, name, b"?") == OK
                dropping.owed[sender, folder, name] = Owed([{code}], exact=False)
    assert dropping.drop([draft for _, draft in made]) == []
    return made


def send_again(dropping: Dropping, made: list[tuple[Recipe, Draft]]) -> None:
    """The same content, other content, the same content elsewhere: one set in AGAIN each."""
    again: list[Draft] = []
    for _, draft in made[::AGAIN]:  # the same: no new answer
        again.append(copy_of(draft))
    for recipe, draft in made[1::AGAIN]:  # other content under a used stem
        if draft.data and draft.trigger == "GO":
            other = copy_of(draft)
            part = next(iter(other.data))
            other.data[part] = draft.fi((True,))
            other.sign(part)
            again.append(other)
            owed = dropping.owed[draft.sender, draft.folder, draft.stem]
            owed.receipts.append({"133"})
            owed.exact &= not recipe.defects and recipe.letter is None
    for recipe, draft in made[2::AGAIN]:  # in the other folder too: its letter is wrong there
        if not recipe.defects and recipe.letter is None:
            other = copy_of(draft)
            other.folder = "INTEST" if draft.folder == "IN" else "IN"
            code = "118" if draft.letter == "R" else "119"
            dropping.owed[draft.sender, other.folder, draft.stem] = Owed([{code}], exact=True)
            again.append(other)
    for recipe, draft in made:  # under a new stem, a replay where a form of it was accepted
        if draft.folder == "IN" and not draft.expected() and "1" in draft.results:
            other = Recipe(draft.sender, forms=recipe.forms).draft()
            other.data, other.signatures = dict(draft.data), dict(draft.signatures)
            dropping.owed[draft.sender, "IN", other.stem] = Owed([{"133"}], exact=True)
            again.append(other)
    cancelled = [draft for draft in again if draft.trigger == "TD"]
    refused = dropping.drop(again)
    assert len(refused) == len(cancelled)
    assert all("/TD." in said and "too late to cancel" in said for said in refused), refused


def copy_of(draft: Draft) -> Draft:
    """A copy whose files may be changed; all of one copy come in order, its trigger last."""
    other = deepcopy(draft)
    other.ordered = True
    return other


def check_refusals(dropping: Dropping) -> None:
    """What cannot be a file at all is refused at OPEN with a sentence."""
    for mail, *_ in dropping.mails.values():
        for folder, names in REFUSED.items():
            for name in names:
                said = hold(mail, folder.strip("/") or ".", name)
                assert isinstance(said, str), name
                assert len(said.split()) > 2, said


def account(dropping: Dropping) -> None:
    """Every ACRF that is owed is there, no other, and each NOTI that a positive one announces."""
    claimed: set[str] = set()
    for (sender, folder, stem), owed in dropping.owed.items():
        answers = dropping.about(sender, folder, stem)
        receipts = [a for a in answers if a.layer == "ACRF"]
        notices = [a for a in answers if a.layer == "NOTI"]
        found = [{code.removeprefix("ACRF-") for code in a.codes} for a in receipts]
        assert len(found) == len(owed.receipts), f"{folder}/{stem}: {found}, owed {owed}"
        for codes, wanted in zip(found, owed.receipts, strict=True):
            right = codes == wanted if owed.exact or not wanted else codes >= wanted
            assert right, f"{folder}/{stem}: {found}, owed {owed}"
        positive = [a for a in receipts if a.result == "1"]
        assert len(notices) == len(positive), stem
        for receipt, notice in zip(positive, notices, strict=True):
            assert notice.ticket == receipt.ticket
            assert [form.result for form in notice.forms] == owed.results, stem
        claimed |= {f"{sender}/{a.name}" for a in answers}
    seen = {
        f"{sender}/{a.name}"
        for sender in dropping.mails
        for folder in ("IN", "INTEST")
        for a in dropping.out(sender, folder).seen.values()
    }
    assert seen == claimed, "answers that nobody is owed"


@pytest.mark.parametrize(
    "count", [60, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_every_dropped_file_is_accounted_for(dropping: Dropping, count: int) -> None:
    made = send_first(dropping, chosen(count, dropping.chance))
    check_refusals(dropping)
    dropping.until_empty()
    send_again(dropping, made)
    dropping.until_empty()
    account(dropping)
    listed = dropping.instance.json("submission", "list", "--limit", 100_000)
    assert len(listed) == sum(len(owed.receipts) for owed in dropping.owed.values())
    assert {line["state"] for line in listed} == {"answered"}
    assert dropping.instance.json("submission", "list", "--problems") == []
    levels = [json.loads(line).get("level") for line in dropping.instance.log.splitlines()]
    assert set(levels) == {None}, levels
