"""The Federal Learning Account as a service of the channel (``batch.ingest.services.Service``).

A chunk of forms is read and checked one by one as they come, then met with the ledger in one
look-up, applied in order in memory, stored in one go, and answered in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from lxml.etree import _Element

from batch.anomalies import Anomaly
from batch.fla import rules
from batch.fla.account import Window
from batch.fla.book import Book, Claim, Outcome
from batch.fla.committees import Committees, joint_committees
from batch.fla.echo import echo
from batch.fla.forms import Form, operation_element, read
from batch.fla.ledger import AccountKey, Change, Ledger
from batch.fla.plain import PlainForms, plain_forms
from batch.fla.position import FormPlace, Places, spot
from batch.fla.rules import Finding
from batch.fla.schema import MAX_EXPLAINED, FormSchema, form_schema
from batch.identifiers import EnterpriseNumber, NssoNumber
from batch.ingest.lines import line_of
from batch.ingest.plain import Given, PlainForm
from batch.ingest.services import ContentFacts, Description, FormVerdict, Limits
from batch.names import brussels_day
from batch.registers import Standing
from batch.routed import FLA
from batch.settings import Settings

RESULT = "FLAResult"
SCHEMA_NAME = "FLADeclaration_20261.xsd"

CHUNK = 500
"""Forms met with the ledger at once: a look-up costs as much as a dozen forms, and 500 are 1 MB."""

_KNOWN_EMPLOYERS = 10_000
"""Employers whose standing is remembered within a set; then all are asked again."""


def describe(settings: Settings) -> Description:
    """How the channel recognises an FLA declaration on this instance."""
    return Description(
        name=FLA,
        codes=frozenset(settings.fla_codes),
        root="FLADeclaration",
        form="Form",
        schemas=frozenset({SCHEMA_NAME}),
        limits=Limits(
            settings.max_file_bytes,
            settings.max_forms,
            settings.max_parts,
            settings.min_form_bytes,
        ),
        plain=plain_forms().pattern,
    )


def fla_service(settings: Settings, ledger: Ledger) -> FlaService:
    """The service of this instance, bound to a ledger in its caller's transaction."""
    window = Window(settings.window_first_year, settings.window_last_year)
    return FlaService(describe(settings), window, ledger)


@dataclass(frozen=True, slots=True)
class FlaService:
    """Judges the forms of one set after the other; commits nothing."""

    description: Description
    window: Window
    ledger: Ledger
    schema: FormSchema = field(default_factory=form_schema)
    plain: PlainForms = field(default_factory=plain_forms)
    committees: Committees = field(default_factory=joint_committees)

    def judge(
        self, forms: Iterable[tuple[str, Given]], facts: ContentFacts
    ) -> Iterator[FormVerdict]:
        """One verdict per (part name, form), in order; see ``Service.judge``.

        Raises ValidatorBroke when the schema's engine fails, and what the ledger raises.
        """
        judging = _Judging(self, facts)
        chunk: list[_Entry] = []
        for part, form in forms:
            chunk.append(judging.first_look(part, form))
            if len(chunk) == CHUNK:
                yield from judging.settle(chunk)
                chunk = []
        yield from judging.settle(chunk)


class _Entry(NamedTuple):
    """A form after the first look: its verdict so far; with a claim, the ledger is asked.

    ``places`` are those of an element, which is gone by then; those of a plain form are worked out
    only where there is something to point at.
    """

    number: int
    verdict: FormVerdict
    claim: Claim | None = None
    places: Places | None = None
    plain: PlainForm | None = None
    place: FormPlace | None = None


class _Judging:
    """One run over the forms of a set."""

    def __init__(self, service: FlaService, facts: ContentFacts) -> None:
        self._service = service
        self._facts = facts
        self._today: date = brussels_day(facts.at)
        self._book = Book(service.window, self._today, service.ledger.reserve)
        self._forms_of: Counter[str] = Counter()
        self._seen = 0
        self._explained = 0
        self._employers: dict[EnterpriseNumber, tuple[Standing, NssoNumber | None]] = {}

    def first_look(self, part: str, given: Given) -> _Entry:
        """Schema, check digits, standing, and the form's own rules, while the element is there."""
        self._seen += 1
        number = self._forms_of[part] = self._forms_of[part] + 1
        if isinstance(given, PlainForm):
            place = FormPlace(part, number, given.line - 1)
            return self._own_rules(self._service.plain.read(given.match), given, place)
        place = FormPlace(part, number)
        explain = self._explained < MAX_EXPLAINED
        anomalies = self._service.schema.anomalies(given, place, explain=explain)
        if anomalies:
            self._explained += 1
            return _Entry(self._seen, self._refusal(given, anomalies))
        return self._own_rules(read(given), given, place)

    def _own_rules(self, form: Form, given: Given, place: FormPlace) -> _Entry:
        """What a valid form says, judged by itself."""
        header, references, _, company, person, user, operation = form
        (employer, inss), found = rules.parties(form)
        held, nsso = self._standing(employer)
        findings = [
            *found,
            *rules.standing(held, company),
            *rules.own_content(form, self._today, self._service.committees),
        ]
        anomalies = _anomalies(findings, given, place) if findings else ()
        verdict = FormVerdict(header, references, company, nsso, person, user, anomalies)
        if employer is None or inss is None or held is not Standing.MAY_SPEAK:
            return _Entry(self._seen, verdict)
        key = AccountKey(employer.digits, inss.digits)
        claim = Claim.of(key, operation, blocked=bool(anomalies) and not verdict.accepted)
        if isinstance(given, PlainForm):
            return _Entry(self._seen, verdict, claim, None, given, place)
        return _Entry(self._seen, verdict, claim, _places(given, form, place))

    def settle(self, chunk: list[_Entry]) -> Iterator[FormVerdict]:
        """Meet the chunk with the ledger: look up, apply in order, store, answer in order."""
        claims = [entry.claim for entry in chunk if entry.claim is not None]
        if claims:
            wanted = self._book.wanted(claims)
            self._book.learn(wanted, self._service.ledger.snapshot(wanted), claims)
        apply, ticket = self._book.apply, self._facts.ticket
        submission, at = self._facts.submission, self._facts.at
        verdicts: list[FormVerdict] = []
        changes: list[Change] = []
        for entry in chunk:
            number, verdict, claim, *_ = entry
            if claim is None:
                verdicts.append(verdict)
                continue
            outcome = apply(claim)
            verdicts.append(self._settled(entry, outcome))
            _, after, operation, mark = outcome
            if after is not None and operation is not None:
                changes.append(Change(after, mark, operation, submission, ticket(number), at))
        if changes:
            self._service.ledger.store(changes)
        yield from verdicts

    def _settled(self, entry: _Entry, outcome: Outcome) -> FormVerdict:
        header, references, company, nsso, inss, user, anomalies, name, result = entry.verdict
        findings, after, _, _ = outcome
        if findings:
            places = self._pointed_at(entry)
            anomalies = (*anomalies, *(_ledger_anomaly(each, places) for each in findings))
        if after is not None:
            name, result = RESULT, self._book.result(after)
        return FormVerdict(header, references, company, nsso, inss, user, anomalies, name, result)

    def _pointed_at(self, entry: _Entry) -> Places:
        """What an anomaly of the ledger may point at."""
        if entry.places is not None:
            return entry.places
        if entry.plain is None or entry.place is None:
            raise AssertionError("a form without a claim has nothing to point at")
        references = len(entry.verdict.references)
        return self._service.plain.places(entry.plain, entry.place, references)

    def _refusal(self, element: _Element, anomalies: tuple[Anomaly, ...]) -> FormVerdict:
        verdict = echo(element, self._service.schema)
        _, nsso = self._standing(rules.enterprise(verdict.employer or ""))
        return verdict._replace(nsso=nsso, anomalies=anomalies)

    def _standing(self, employer: EnterpriseNumber | None) -> tuple[Standing, NssoNumber | None]:
        """May the sender speak for it, and its NSSO number; without a right number, no question."""
        if employer is None:
            return Standing.MAY_SPEAK, None
        known = self._employers.get(employer)
        if known is None:
            enterprise = self._facts.employer(employer)
            known = (self._facts.speaks(employer), None if enterprise is None else enterprise.nsso)
            if len(self._employers) >= _KNOWN_EMPLOYERS:
                self._employers.clear()
            self._employers[employer] = known
        return known


def _anomalies(findings: Iterable[Finding], given: Given, place: FormPlace) -> tuple[Anomaly, ...]:
    form = given.element() if isinstance(given, PlainForm) else given
    return tuple(_anomaly(each, form, place) for each in findings)


def _anomaly(finding: Finding, form: _Element, place: FormPlace) -> Anomaly:
    element = form.find(finding.path)
    return finding.anomaly(place.part, spot(form if element is None else element, form, place))


def _ledger_anomaly(finding: Finding, places: Places) -> Anomaly:
    where = {rules.KEY: places.key, rules.HOURS: places.hours}.get(finding.path, places.block)
    return finding.anomaly(places.form.part, where)


def _places(element: _Element, form: Form, place: FormPlace) -> Places:
    """What the rules on the ledger may point at, taken before the element is cleared."""
    operation = operation_element(element)
    key = next(operation.iterchildren("*"))
    charged = operation.find("Training/RightUse/UsedHours")
    hours = operation.find("Training/TrainingHours") if charged is None else charged
    return Places(
        form=place,
        operation=8 + len(form.references),
        block_line=line_of(operation),
        key_line=line_of(key),
        hours_line=line_of(operation if hours is None else hours),
        hours_tail="8,2" if charged is not None else "6",
    )
