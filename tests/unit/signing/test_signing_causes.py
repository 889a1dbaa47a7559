"""Each defect is refused, for its own cause and with the official code."""

from __future__ import annotations

from typing import cast

import pytest

from batch.registers import RegisteredCertificate
from batch.signing.verdict import Cause, NotSigned, Signed, Undecided
from batch.signing.verification import begin
from fixtures.corpus.catalogue import entries
from tests.unit.signing.defects import CASES, Case, Maker
from tests.unit.signing.pki import Pki


def verdict(case: Case) -> Signed | NotSigned | Undecided:
    registered = cast("list[RegisteredCertificate]", case.registered)
    verifier = begin(case.fs, registered, case.policy, case.at, case.sources)
    if isinstance(verifier, NotSigned):
        return verifier
    verifier.update(case.fi)
    return verifier.finish()


@pytest.mark.parametrize(
    ("cause", "make"),
    [pytest.param(cause, make, id=f"{cause}: {name}") for cause, name, make in CASES],
)
def test_a_defect_is_refused_for_its_own_cause(cause: Cause, make: Maker, pki: Pki) -> None:
    refused = verdict(make(pki))
    assert isinstance(refused, NotSigned)
    assert refused.cause is cause, refused.words
    assert refused.words.endswith(".")
    assert "\n" not in refused.words


def test_every_cause_has_a_case() -> None:
    """One here, or one in the corpus."""
    shown = {cause for cause, _, _ in CASES} | {entry.cause for entry in entries()}
    assert shown - {None} == set(Cause)


@pytest.mark.parametrize("cause", Cause)
def test_the_code_is_153_exactly_when_the_certificate_is_at_fault(cause: Cause) -> None:
    at_fault = cause.name.startswith(("CERTIFICATE_E", "CERTIFICATE_N", "KEY_", "ISSUER_"))
    at_fault = at_fault or cause in (
        Cause.NO_CERTIFICATE_REGISTERED,
        Cause.OTHER_CERTIFICATE,
        Cause.CRITICAL_EXTENSION,
        Cause.CERTIFICATE_REVOKED,
        Cause.NOT_QUALIFIED,
        Cause.PATH_LENGTH,
        Cause.NAME_CONSTRAINTS,
        Cause.CERTIFICATE_POLICY,
    )
    assert cause.code == ("153" if at_fault else "125")
    assert NotSigned(cause, "Because.").code == cause.code
