"""The rules on the ledger, on a book that knows only what the test tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from batch.fla import book as book_module
from batch.fla.account import Account, Window, account_of
from batch.fla.book import Book, Claim, Outcome
from batch.fla.forms import (
    ByFlaId,
    ByReference,
    Cancel,
    Content,
    In,
    Kind,
    Nature,
    ObjectKey,
    Operation,
    RightType,
    RightUse,
    Training,
    TrainingRight,
    TrainingStatus,
    Update,
)
from batch.fla.ledger import (
    AccountKey,
    LedgerObject,
    OperationName,
    Snapshot,
    Wanted,
    fla_id,
    twin_mark,
)

TODAY = date(2026, 1, 20)
WINDOW = Window(2024, 2028)
KEY = AccountKey("0123456749", "85073003328")
OTHER_PERSON = AccountKey("0123456749", "17073003384")
OTHER_EMPLOYER = AccountKey("0477472701", "85073003328")

DAY = date(2025, 11, 12)
RIGHT = TrainingRight(RightType.LEGAL, 2025, 3800)
TRAINING = Training("T", Nature.FORMAL, TrainingStatus.FOLLOWED, DAY, DAY, 400, True)
NUMBER = "202511010000000000000197"


def stored(content: Content, account: AccountKey = KEY, *, cancelled: bool = False) -> LedgerObject:
    return LedgerObject(NUMBER, account, "X/1", 3, cancelled, content, content)


def book(claims: Sequence[Claim], *objects: LedgerObject) -> Book:
    """A book that has learned these objects and what follows from them."""
    made = Book(WINDOW, TODAY, lambda count: 7)
    wanted = made.wanted(claims)
    standing = [each for each in objects if not each.cancelled]
    accounts: dict[AccountKey, Account] = {}
    for each in standing:
        accounts.setdefault(each.account, Account()).add(each.content)
    marks = [twin_mark(each.account, each.content) for each in standing]
    twins = {mark: marks.count(mark) for mark in marks}
    made.learn(wanted, Snapshot(objects, accounts, twins), claims)
    return made


def claim(operation: Operation, account: AccountKey = KEY, *, blocked: bool = False) -> Claim:
    return Claim.of(account, operation, blocked=blocked)


def run(*operations: Operation, objects: Sequence[LedgerObject] = ()) -> list[Outcome]:
    claims = [claim(operation) for operation in operations]
    one = book(claims, *objects)
    return [one.apply(each) for each in claims]


def ids(outcome: Outcome) -> list[str]:
    return [f"{f.zone}-{f.code}{f.severity.value}" for f in outcome.findings]


def remaining(one: Book, outcome: Outcome) -> list[tuple[str, str]]:
    assert outcome.after is not None
    fields = one.result(outcome.after)
    return [(f.attributes[0][1], f.text) for f in fields if f.tag == "RemainingHours"]


def test_an_in_stands_with_a_new_number_and_version_1() -> None:
    (outcome,) = run(In("X/1", RIGHT))
    assert outcome.findings == ()
    assert outcome.operation is OperationName.IN
    assert outcome.after == LedgerObject(fla_id(TODAY, 7), KEY, "X/1", 1, False, RIGHT, RIGHT)


def test_the_result_has_always_the_three_types_and_counts_this_form() -> None:
    claims = [claim(In("X/1", RIGHT)), claim(In("X/2", TRAINING))]
    one = book(claims)
    first = remaining(one, one.apply(claims[0]))
    second = remaining(one, one.apply(claims[1]))
    assert first == [("LEGAL", "3800"), ("SECTOR", "0"), ("EMPLOYER", "0")]
    assert second == [("LEGAL", "3400"), ("SECTOR", "0"), ("EMPLOYER", "0")]


def test_the_same_in_again_is_ok_again_and_changes_nothing() -> None:
    first, second = run(In("X/1", TRAINING), In("X/1", TRAINING))
    assert second == Outcome(after=first.after)


def test_the_first_in_again_after_an_update_is_ok_with_the_current_version() -> None:
    new = RIGHT._replace(hours=1)
    update = Update(ByReference("X/1"), new)
    claims: list[Operation] = [In("X/1", RIGHT), update, In("X/1", RIGHT), In("X/1", new)]
    _, updated, again, as_it_stands = run(*claims)
    assert again == as_it_stands == Outcome(after=updated.after)


@pytest.mark.parametrize(
    ("account", "content", "cancelled"),
    [
        (KEY, RIGHT._replace(hours=1), False),
        (KEY, TRAINING, False),
        (KEY, RIGHT, True),
        (OTHER_PERSON, RIGHT, False),
    ],
)
def test_fla01_006_a_reference_taken(
    account: AccountKey, content: Content, cancelled: bool
) -> None:
    """Other content, another kind, another worker, or an object cancelled since."""
    (outcome,) = run(In("X/1", RIGHT), objects=[stored(content, account, cancelled=cancelled)])
    assert (ids(outcome), outcome.after) == (["FLA01-006B"], None)


def test_another_employer_s_reference_is_free() -> None:
    (outcome,) = run(In("X/1", RIGHT), objects=[stored(TRAINING, OTHER_EMPLOYER)])
    assert outcome.findings == ()


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (RIGHT, ["FLB01-272B"]),
        (RIGHT._replace(hours=1), ["FLB01-272B"]),
        (RIGHT._replace(year=2026), []),
        (RIGHT._replace(type=RightType.EMPLOYER), []),
        (RIGHT._replace(agreement="1/CO/200"), []),
    ],
)
def test_flb01_272_a_right_for_the_same_thing(content: TrainingRight, wanted: list[str]) -> None:
    (outcome,) = run(In("X/2", content), objects=[stored(RIGHT)])
    assert ids(outcome) == wanted


def test_a_right_may_be_declared_again_once_the_first_is_cancelled() -> None:
    *_, outcome = run(In("X/1", RIGHT), Cancel(ByReference("X/1"), Kind.RIGHT), In("X/2", RIGHT))
    assert outcome.findings == ()


def test_flb02_272_an_update_may_not_make_a_double() -> None:
    other = RIGHT._replace(year=2026)
    *_, outcome = run(In("X/1", RIGHT), In("X/2", other), Update(ByReference("X/2"), RIGHT))
    assert (ids(outcome), outcome.after) == (["FLB02-272B"], None)


def test_flb04_272_a_training_under_another_reference_is_warned_of() -> None:
    first, second = run(In("X/1", RIGHT), In("X/2", TRAINING))
    again = run(In("X/3", TRAINING._replace(hours=1)), objects=[stored(TRAINING)])[0]
    assert ids(first) == ids(second) == []
    assert "FLB04-272W" in ids(again)
    assert again.after is not None


@pytest.mark.parametrize("key", [ByFlaId("1" * 24), ByReference("no")])
def test_234_an_object_that_is_not_there(key: ObjectKey) -> None:
    assert [ids(each) for each in run(Update(key, RIGHT), Cancel(key, Kind.RIGHT))] == [
        ["FLA02-234B"],
        ["FLA02-234B"],
    ]


@pytest.mark.parametrize(
    ("key", "content", "account"),
    [
        (ByFlaId(NUMBER), RIGHT, OTHER_EMPLOYER),
        (ByFlaId(NUMBER), RIGHT, OTHER_PERSON),
        (ByFlaId(NUMBER), TRAINING, KEY),
        (ByReference("X/1"), RIGHT, OTHER_PERSON),
        (ByReference("X/1"), TRAINING, KEY),
    ],
)
def test_234_an_object_of_another_employer_worker_or_kind(
    key: ObjectKey, content: Content, account: AccountKey
) -> None:
    (outcome,) = run(Cancel(key, Kind.RIGHT), objects=[stored(content, account)])
    assert (ids(outcome), outcome.after) == (["FLA02-234B"], None)


@pytest.mark.parametrize("key", [ByFlaId(NUMBER), ByReference("X/1")])
def test_fla02_241_what_was_cancelled(key: ObjectKey) -> None:
    gone = [stored(RIGHT, cancelled=True)]
    for operation in (Update(key, RIGHT), Cancel(key, Kind.RIGHT)):
        assert ids(run(operation, objects=gone)[0]) == ["FLA02-241B"]


@pytest.mark.parametrize("content", [RIGHT, TRAINING])
def test_444_an_update_without_change_makes_no_version(content: Content) -> None:
    (outcome,) = run(Update(ByReference("X/1"), content), objects=[stored(content)])
    assert ids(outcome) == ["FLB05-444W"]
    assert outcome.after is not None
    assert (outcome.after.version, outcome.operation) == (3, None)


def test_an_update_replaces_the_content_and_the_sums() -> None:
    claims = [claim(Update(ByFlaId(NUMBER), RIGHT._replace(year=2026, hours=100)))]
    one = book(claims, stored(RIGHT))
    outcome = one.apply(claims[0])
    assert outcome.after is not None
    assert (outcome.after.version, outcome.after.fla_id) == (4, NUMBER)
    assert remaining(one, outcome)[0] == ("LEGAL", "100")


def test_a_cancel_takes_the_hours_back() -> None:
    claims = [claim(Cancel(ByFlaId(NUMBER), Kind.RIGHT))]
    one = book(claims, stored(RIGHT))
    outcome = one.apply(claims[0])
    assert outcome.after is not None
    assert (outcome.after.version, outcome.after.cancelled) == (4, True)
    assert remaining(one, outcome)[0] == ("LEGAL", "0")


@pytest.mark.parametrize(
    ("hours", "uses", "wanted"),
    [
        (3800, (), []),
        (3801, (), ["FLA15-047W"]),
        (3801, (RightUse(RightType.LEGAL, 3800),), []),
        (3801, (RightUse(RightType.LEGAL, 3801),), ["FLA15-047W"]),
        (3801, (RightUse(RightType.SECTOR, 1),), ["FLA15-047W"]),
    ],
)
def test_fla15_047_more_than_the_credit(
    hours: int, uses: tuple[RightUse, ...], wanted: list[str]
) -> None:
    training = TRAINING._replace(hours=hours, uses=uses)
    *_, outcome = run(In("X/1", RIGHT), In("X/2", training))
    assert ids(outcome) == wanted


def test_fla15_047_is_the_fault_of_the_form_that_overdraws_only() -> None:
    over = TRAINING._replace(hours=5000)
    less = over._replace(hours=4500)
    free = TRAINING._replace(name="U", counts_for_credit=False)
    operations = [In("X/1", RIGHT), In("X/2", over), In("X/3", free)]
    _, second, third, fourth = run(*operations, Update(ByReference("X/2"), less))
    assert (ids(second), ids(third)) == (["FLA15-047W"], [])
    assert ids(fourth) == ["FLA15-047W"]


def test_a_repeat_after_the_deadline_is_not_late() -> None:
    old = TRAINING._replace(starting=date(2024, 1, 1), ending=date(2024, 1, 1), hours=1)
    first, second = run(In("X/1", old), In("X/1", old))
    assert "FLB04-460W" in ids(first)
    assert second.findings == ()


@pytest.mark.parametrize(
    ("operation", "objects", "wanted"),
    [
        (In("X/1", RIGHT), [], []),
        (In("X/1", RIGHT), [stored(TRAINING)], ["FLA01-006B"]),
        (Update(ByReference("X/1"), RIGHT), [stored(TRAINING)], ["FLA02-234B"]),
        (Update(ByReference("X/1"), RIGHT._replace(hours=1)), [stored(RIGHT)], []),
        (Update(ByReference("X/1"), RIGHT), [stored(RIGHT)], ["FLB05-444W"]),
        (Cancel(ByReference("X/1"), Kind.RIGHT), [stored(RIGHT)], []),
    ],
)
def test_a_blocked_form_is_told_all_and_changes_nothing(
    operation: Operation, objects: list[LedgerObject], wanted: list[str]
) -> None:
    blocked = claim(operation, blocked=True)
    outcome = book([blocked], *objects).apply(blocked)
    assert (ids(outcome), outcome.after, outcome.operation) == (wanted, None, None)


def test_a_book_asks_once_for_an_account_and_always_for_objects() -> None:
    claims = [claim(In("X/1", RIGHT))]
    one = book(claims)
    assert one.wanted(claims) == Wanted(references=frozenset({(KEY.employer, "X/1")}))


def test_a_book_keeps_a_bounded_number_of_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a file has; those it forgot it asks for again."""
    monkeypatch.setattr(book_module, "KEPT", 10)
    one = Book(WINDOW, TODAY, lambda count: 7)
    for number in range(100):
        claims = [claim(In("X/1", RIGHT), AccountKey(KEY.employer, f"{number:011d}"))]
        wanted = one.wanted(claims)
        assert (len(wanted.accounts), len(wanted.twins)) == (1, 1)
        one.learn(wanted, Snapshot(), claims)
    everybody = [AccountKey(KEY.employer, f"{number:011d}") for number in range(100)]
    asked = one.wanted([claim(In("X/1", RIGHT), each) for each in everybody])
    assert len(asked.accounts) >= 100 - 11
    assert len(asked.twins) >= 100 - 11


def test_no_number_is_reserved_when_none_can_be_needed() -> None:
    def never(count: int) -> int:
        raise AssertionError(count)

    claims = [claim(In("X/1", RIGHT)), claim(In("X/2", RIGHT), blocked=True)]
    one = Book(WINDOW, TODAY, never)
    wanted = one.wanted(claims)
    one.learn(wanted, Snapshot([stored(RIGHT)], {KEY: account_of([RIGHT])}, {}), claims)
    assert one.apply(claims[0]).after == stored(RIGHT)


def test_an_fla_id_has_24_digits_that_check() -> None:
    made = fla_id(date(2025, 1, 20), 12345)
    assert made[:22] == "2025012000000000012345"
    assert len(made) == 24
    assert int(made[22:]) == 97 - int(made[:22]) % 97
