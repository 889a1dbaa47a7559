"""Forms applied in order, in memory: what the ledger is before and after each one.

A book serves one judging. Per chunk it learns the objects the chunk touches and forgets those of
the chunk before; the sums of accounts and the counts of twins it keeps, and keeps right itself,
so that a file with all its forms on one account reads that account once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple, assert_never

from batch.fla import rules
from batch.fla.account import Account, Window, overdrawn, remaining, uses_credit
from batch.fla.forms import (
    ByFlaId,
    ByReference,
    Cancel,
    Content,
    In,
    Kind,
    ObjectKey,
    Operation,
    RightType,
    TrainingRight,
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
from batch.fla.rules import Finding
from batch.ingest.services import ResultField

_ORDER = tuple(RightType)

KEPT = 5_000
"""Accounts, and twin marks, kept between chunks: some 5 MB; beyond, they are asked for again."""


class Claim(NamedTuple):
    """An operation on an account by one who may make it. ``blocked``: a rule refused it already.

    ``mark`` is the twin mark of the content it declares, empty for a Cancel.
    """

    account: AccountKey
    operation: Operation
    blocked: bool
    mark: str

    @classmethod
    def of(cls, account: AccountKey, operation: Operation, *, blocked: bool) -> Claim:
        mark = "" if isinstance(operation, Cancel) else twin_mark(account, operation.content)
        return cls(account, operation, blocked, mark)


class Outcome(NamedTuple):
    """What came of a claim.

    ``after`` is the object as it stands now, None when the claim is refused; ``operation`` says
    what changed it, None when nothing did (a repeat, an update without change); else ``mark`` is
    the twin mark of ``after``.
    """

    findings: tuple[Finding, ...] = ()
    after: LedgerObject | None = None
    operation: OperationName | None = None
    mark: str = ""


class Book:
    """The ledger as one judging sees it.

    ``today`` is the Brussels day of sealing; ``reserve(n)`` gives the first of n new numbers.
    """

    def __init__(self, window: Window, today: date, reserve: Callable[[int], int]) -> None:
        self._window = window
        self._today = today
        self._reserve = reserve
        self._numbers: Iterator[int] = iter(())
        self._objects: dict[str, LedgerObject] = {}
        self._named: dict[tuple[str, str], str] = {}
        self._accounts: dict[AccountKey, Account] = {}
        self._twins: dict[str, int] = {}

    def wanted(self, claims: Sequence[Claim]) -> Wanted:
        """What must be learned before these claims can be applied."""
        if len(self._accounts) > KEPT or len(self._twins) > KEPT:
            self._accounts.clear()
            self._twins.clear()
        ids: set[str] = set()
        references: set[tuple[str, str]] = set()
        accounts: set[AccountKey] = set()
        twins: set[str] = set()
        held, counted = self._accounts, self._twins
        for account, operation, _, mark in claims:
            if isinstance(operation, In):
                references.add((account.employer, operation.reference))
            elif isinstance(operation.key, ByFlaId):
                ids.add(operation.key.fla_id)
            else:
                references.add((account.employer, operation.key.reference))
            if account not in held:
                accounts.add(account)
            if mark and mark not in counted:
                twins.add(mark)
        return Wanted(ids, references, accounts, twins)

    def learn(self, wanted: Wanted, snapshot: Snapshot, claims: Sequence[Claim]) -> None:
        """Take in what the ledger knows, and reserve the numbers ``claims`` may need."""
        self._objects = {each.fla_id: each for each in snapshot.objects}
        self._named = {(o.account.employer, o.reference): o.fla_id for o in snapshot.objects}
        for key in wanted.accounts:
            self._accounts[key] = snapshot.accounts.get(key) or Account()
        for mark in wanted.twins:
            self._twins[mark] = snapshot.twins.get(mark, 0)
        new = {
            (account.employer, operation.reference)
            for account, operation, blocked, _ in claims
            if isinstance(operation, In) and not blocked
        } - self._named.keys()
        first = self._reserve(len(new)) if new else 0
        self._numbers = iter(range(first, first + len(new)))

    def apply(self, claim: Claim) -> Outcome:
        """Judge a claim by what stands, and make it stand when nothing blocks it."""
        match claim.operation:
            case In() as operation:
                return self._in(claim, operation)
            case Update() as operation:
                return self._update(claim, operation)
            case Cancel() as operation:
                return self._cancel(claim, operation)
            case other:
                assert_never(other)

    def result(self, after: LedgerObject) -> tuple[ResultField, ...]:
        """FLAResult (contract, section 3): the object, and what its year has left."""
        number, account, reference, version, _, content, _ = after
        left = remaining(self._accounts[account], content.year, self._window)
        return (
            ResultField("FLAId", number),
            _version(version),
            ResultField("RegistrantReference", reference),
            *_credit(*left),
        )

    def _in(self, claim: Claim, operation: In) -> Outcome:
        account, _, blocked, mark = claim
        reference, content = operation
        known = self._named.get((account.employer, reference))
        if known is not None:
            return self._again(claim, operation, self._objects[known])
        findings = self._twin(mark, content) + rules.late(content, self._today)
        if blocked or (findings and any(f.blocks for f in findings)):
            return Outcome(findings)
        number = fla_id(self._today, next(self._numbers))
        after = LedgerObject(number, account, reference, 1, False, content, content)
        return self._stand(None, after, mark, OperationName.IN, findings)

    def _again(self, claim: Claim, operation: In, known: LedgerObject) -> Outcome:
        """An In under a reference already taken: OK again when it says the same, else 006."""
        same = (
            known.account == claim.account
            and not known.cancelled
            and operation.content in (known.content, known.first)
        )
        if not same:
            return Outcome((rules.reference_taken(operation.reference),))
        return Outcome(after=None if claim.blocked else known)

    def _update(self, claim: Claim, operation: Update) -> Outcome:
        before = self._addressed(claim, operation.key, operation)
        if isinstance(before, Finding):
            return Outcome((before,))
        if operation.content == before.content:
            unchanged = None if claim.blocked else before
            return Outcome((rules.no_change(operation.kind),), unchanged)
        content = operation.content
        findings = tuple(self._doubles(claim, content, before.content))
        if claim.blocked or findings:
            return Outcome(findings)
        after = before._replace(version=before.version + 1, content=content)
        return self._stand(before, after, claim.mark, OperationName.UPDATE, findings)

    def _cancel(self, claim: Claim, operation: Cancel) -> Outcome:
        before = self._addressed(claim, operation.key, operation)
        if isinstance(before, Finding):
            return Outcome((before,))
        if claim.blocked:
            return Outcome()
        after = before._replace(version=before.version + 1, cancelled=True)
        mark = twin_mark(after.account, after.content)
        return self._stand(before, after, mark, OperationName.CANCEL, ())

    def _addressed(
        self, claim: Claim, key: ObjectKey, operation: Update | Cancel
    ) -> LedgerObject | Finding:
        """The object addressed, when it is of this employer, worker and kind and still stands."""
        match key:
            case ByFlaId(fla_id=number):
                found = self._objects.get(number)
            case ByReference(reference=reference):
                name = self._named.get((claim.account.employer, reference))
                found = None if name is None else self._objects[name]
            case other:
                assert_never(other)
        if found is None or found.account != claim.account or found.kind is not operation.kind:
            return rules.unknown_object(key)
        return rules.already_cancelled(key) if found.cancelled else found

    def _doubles(self, claim: Claim, content: Content, before: Content) -> Iterator[Finding]:
        """Whether an update would make a right the double of another."""
        if content.kind is not Kind.RIGHT or not self._twins[claim.mark]:
            return
        if claim.mark != twin_mark(claim.account, before):
            yield rules.right_stands("FLB02", "TrainingRightUpdate")

    def _twin(self, mark: str, content: Content) -> tuple[Finding, ...]:
        """Whether what an In declares stands already, under another reference."""
        if not self._twins[mark]:
            return ()
        if content.kind is Kind.RIGHT:
            return (rules.right_stands("FLB01", "TrainingRightIn"),)
        return (rules.training_stands(),)

    def _stand(
        self,
        before: LedgerObject | None,
        after: LedgerObject,
        mark: str,
        operation: OperationName,
        findings: tuple[Finding, ...],
    ) -> Outcome:
        """Make ``after``, with its twin mark, stand in place of ``before``: object, sums, twins."""
        number, key, reference, _, cancelled, content, _ = after
        account = self._accounts[key]
        if before is not None:
            self._count(account, before.content, twin_mark(key, before.content), -1)
        if not cancelled:
            self._count(account, content, mark, 1)
            beyond = self._beyond_credit(account, content)
            findings = findings if beyond is None else (*findings, beyond)
        self._objects[number] = after
        self._named[key.employer, reference] = number
        return Outcome(findings, after, operation, mark)

    def _count(self, account: Account, content: Content, mark: str, sign: int) -> None:
        account.add(content, sign)
        if mark in self._twins:
            self._twins[mark] += sign

    def _beyond_credit(self, account: Account, content: Content) -> Finding | None:
        """Whether ``content``, which is counted, overdraws its year more than it was before."""
        if isinstance(content, TrainingRight) or not uses_credit(content):
            return None
        year = content.year
        with_it = overdrawn(account, year, self._window)
        if not with_it:
            return None
        account.add(content, -1)
        without = overdrawn(account, year, self._window)
        account.add(content)
        return rules.beyond_credit(content) if with_it > without else None


@lru_cache(maxsize=1_000)
def _version(version: int) -> ResultField:
    return ResultField("Version", str(version))


@lru_cache(maxsize=10_000)
def _credit(*left: int) -> tuple[ResultField, ...]:
    """What is left of each type, in their order: of many forms the same."""
    return tuple(
        ResultField("RemainingHours", str(hours), (("type", right.value),))
        for right, hours in zip(_ORDER, left, strict=True)
    )
