"""What came of the sets that were sent: a table for a person, JSON for a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batch import catalogue
from batch.anomalies import Anomaly, Language
from batch.cli import output
from batch.client import Outcome, Proof, Sent, Verdict
from batch.client.answers import FormResult, anomaly_of

_SHOWN = 20
"""Forms listed on screen; the rest is in --json and in the answers' files."""


@dataclass(frozen=True, slots=True)
class Report:
    """One set: how it was sent and, when its answers were waited for, what they say."""

    sent: Sent
    outcome: Outcome | None

    @property
    def good(self) -> bool:
        """Sent and, when waited for, received well with every form accepted that is judged here."""
        good = (Verdict.ACCEPTED, Verdict.RECEIVED)
        return self.outcome is None or self.outcome.verdict in good


def show(reports: Sequence[Report], json: bool) -> None:
    """Print ``reports``: one JSON document, or a table per question a person has."""
    if json:
        output.document({"sets": [_document(report) for report in reports]})
        return
    if any(report.outcome is None for report in reports):
        for report in reports:
            how = "lies there already" if report.sent.already else "sent"
            output.console.print(f"{report.sent.stem} {how} to {report.sent.folder}")
        return
    for report in reports:
        if report.sent.already:
            output.console.print(
                f"{report.sent.stem}: handled before; this is the answer of then. "
                "To be judged again it needs a new sequence."
            )
    output.table(
        "Sets",
        ("set", "reception", "codes", "accepted", "refused", "verdict", "signature"),
        (_row(report.sent, report.outcome) for report in reports if report.outcome),
    )
    forms = [line for report in reports for line in _forms(report)]
    if forms:
        columns = ("form", "your reference", "object", "result", "remaining hours")
        output.table("Forms", columns, forms[:_SHOWN])
    for code in sorted({c for r in reports for c in _refusals(r)}):
        output.console.print(f"what to do: {code} {_advice(code)}")
    if len(forms) > _SHOWN:
        output.console.print(f"and {len(forms) - _SHOWN} more: see --json or --answers")


def words(anomaly: Anomaly) -> str:
    """``00911-014 the end is before the start``: the code and its English text."""
    try:
        return f"{anomaly.error_id} {catalogue.text(anomaly, Language.EN)}"
    except KeyError:
        return anomaly.error_id


def hours(hundredths: int) -> str:
    """Hundredths of an hour as hours with two decimals."""
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _row(sent: Sent, outcome: Outcome) -> tuple[object, ...]:
    receipt, notice = outcome.receipt, outcome.notice
    codes = "\n".join(words(anomaly_of(code)) for code in receipt.codes) if receipt else ""
    return (
        sent.stem,
        "none yet" if receipt is None else "well received" if receipt.accepted else "refused",
        codes,
        notice.accepted if notice else None,
        notice.refused if notice else None,
        outcome.verdict,
        _proof(outcome),
    )


def _proof(outcome: Outcome) -> Proof | None:
    proofs = [answer.proof for answer in (outcome.receipt, outcome.notice) if answer is not None]
    return max(proofs, key=list(Proof).index, default=None)


def _forms(report: Report) -> Iterator[tuple[object, ...]]:
    """Refused forms and those with warnings first: they are what somebody must act on."""
    notice = report.outcome.notice if report.outcome else None
    numbered = enumerate(notice.forms, start=1) if notice else ()
    for number, form in sorted(numbered, key=lambda item: not item[1].anomalies):
        yield (
            number,
            ", ".join(form.references),
            form.registrant_reference,
            "\n".join(_results(form)),
            _remaining(form.remaining.items()),
        )


def _refusals(report: Report) -> Iterator[str]:
    """The codes that refused something of a set."""
    outcome = report.outcome
    if outcome and outcome.receipt:
        yield from outcome.receipt.codes
    if outcome and outcome.notice:
        for form in outcome.notice.forms:
            if not form.accepted:
                yield from (a.error_id for a in form.anomalies if a.blocks)


def _advice(code: str) -> str:
    try:
        return catalogue.advice(anomaly_of(code), Language.EN)
    except KeyError:
        return "see docs/anomalies.md"


def _results(form: FormResult) -> Iterator[str]:
    yield "accepted" if form.accepted else "refused"
    for anomaly in form.anomalies:
        place = f"line {anomaly.line}: " if anomaly.line is not None else ""
        yield f"{place}{words(anomaly)}"


def _remaining(per_type: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{kind} {hours(value)}" for kind, value in per_type)


def _document(report: Report) -> dict[str, Any]:
    sent, outcome = report.sent, report.outcome
    return {
        "stem": sent.stem,
        "folder": sent.folder,
        "files": sent.files,
        "already": sent.already,
        "verdict": "sent" if outcome is None else outcome.verdict,
        "receipt": outcome.receipt if outcome else None,
        "notice": _notice(outcome) if outcome else None,
    }


def _notice(outcome: Outcome) -> dict[str, Any] | None:
    notice = outcome.notice
    if notice is None:
        return None
    return {
        "ticket": notice.ticket,
        "answer": notice.answer,
        "proof": notice.proof,
        "accepted": notice.accepted,
        "refused": notice.refused,
        "forms": [_form(form) for form in notice.forms],
    }


def _form(form: FormResult) -> dict[str, Any]:
    return {
        **output.plain(form),
        "anomalies": [
            {
                "error_id": anomaly.error_id,
                "class": anomaly.severity,
                "tag": anomaly.tag,
                "value": anomaly.value,
                "line": anomaly.line,
                "column": anomaly.column,
                "part": anomaly.part,
                "text": words(anomaly).removeprefix(anomaly.error_id).strip(),
            }
            for anomaly in form.anomalies
        ],
    }
