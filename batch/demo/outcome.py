"""What came of a step, and in what it differs from the story. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batch.client import FormResult, Notice, Proof, Receipt
from batch.demo.story import Form, Step


@dataclass(frozen=True, slots=True)
class Came:
    """A step that was played. ``answers`` are the files fetched, per answer with the GO last;
    ``astray`` are names in the outbox in which nothing should be."""

    step: Step
    stem: str
    receipt: Receipt | None
    notice: Notice | None
    answers: tuple[str, ...]
    astray: tuple[str, ...] = ()

    @property
    def left(self) -> dict[str, int]:
        """Hours left (hundredths) as the last form that names them says."""
        shown = [form.remaining for form in self.forms if form.remaining]
        return shown[-1] if shown else {}

    @property
    def forms(self) -> tuple[FormResult, ...]:
        return self.notice.forms if self.notice else ()

    @property
    def proof(self) -> Proof | None:
        """The worst that is known of the answers' signatures; None without answers."""
        proofs = [answer.proof for answer in (self.receipt, self.notice) if answer]
        return max(proofs, key=list(Proof).index, default=None)

    def surprises(self) -> tuple[str, ...]:
        """Where this came out otherwise than the story says, one sentence each."""
        said = [*self._of_reception(), *self._of_forms(), *self._of_answers()]
        return tuple(f"{self.stem}: {text}" for text in said)

    def _of_reception(self) -> Iterator[str]:
        if self.receipt is None:
            yield "no ACRF came"
            return
        if self.receipt.accepted is bool(self.step.codes):
            yield f"its ACRF says {int(self.receipt.accepted)}"
        if self.receipt.codes != self.step.codes:
            expected = " ".join(self.step.codes) or "no code"
            yield f"its ACRF has {' '.join(self.receipt.codes) or 'no code'}, expected {expected}"

    def _of_forms(self) -> Iterator[str]:
        expected = () if self.step.codes else self.step.forms
        if len(self.forms) != len(expected):
            yield f"{len(self.forms)} forms were answered, expected {len(expected)}"
            return
        for place, (result, form) in enumerate(zip(self.forms, expected, strict=True), 1):
            found, wanted = _result(result), self._wanted(form)
            if found != wanted:
                yield f"form {place} was {found}, expected {wanted}"
        if self.left != dict(self.step.left):
            yield f"the hours left are {self.left}, expected {dict(self.step.left)}"

    def _wanted(self, form: Form) -> str:
        if form.refused is None:
            return "accepted"
        before = self.step.sent.partition(form.refused.on.encode())[0]
        line = before.count(b"\n") + 1
        return f"refused with {form.refused.error_id} on line {line}"

    def _of_answers(self) -> Iterator[str]:
        if self.proof is not Proof.VERIFIED:
            yield "an answer's signature is not the institution's"
        if self.astray:
            yield f"answers lie where none should: {' '.join(self.astray)}"


def _result(form: FormResult) -> str:
    """A form's end in words, with every code and line; what only warns counts too."""
    verdict = "accepted" if form.accepted else "refused"
    codes = (f"{anomaly.error_id} on line {anomaly.line}" for anomaly in form.anomalies)
    reasons = ", ".join(codes)
    return f"{verdict} with {reasons}" if reasons else verdict
