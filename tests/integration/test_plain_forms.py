"""A declaration is judged alike whether its forms are told by the pattern or all parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from batch.fla.service import fla_service
from batch.ingest.plain import PlainForm, forms
from batch.ingest.services import FormVerdict
from batch.storage.database import engine_for, trying
from batch.storage.ledger import SqlLedger
from batch.storage.ledger_tables import ledger_object, training, training_right
from batch.storage.schema import metadata
from tests import declarations
from tests.declarations import CLIENTS, EMPLOYER, PERSONS
from tests.integration.test_ledger import PART, SETTINGS, facts

REFERENCES = st.sampled_from(["A", "B", "C/1", "D.2"])
WHO = st.fixed_dictionaries(
    {
        "employer": st.sampled_from([*[EMPLOYER] * 9, *CLIENTS, "0123456748"]),
        "inss": st.sampled_from([*[PERSONS[0]] * 4, PERSONS[1], "85073003329"]),
    }
)
RIGHTS = st.builds(
    lambda reference, who, **content: declarations.right(reference, **who, **content),
    REFERENCES,
    WHO,
    kind=st.sampled_from(["LEGAL", "SECTOR"]),
    year=st.sampled_from([2024, 2025]),
    hours=st.sampled_from([1, 400, 3800]),
    committee=st.sampled_from([None, "200", "999", "300"]),
)
UPDATES = st.builds(
    lambda reference, who, hours: declarations.right_update(reference, hours=hours, **who),
    REFERENCES,
    WHO,
    st.sampled_from([1, 400, 3800]),
)
TRAININGS = st.builds(
    lambda reference, who, **content: declarations.training(reference, **who, **content),
    REFERENCES,
    WHO,
    starts=st.sampled_from([date(2024, 5, 6), date(2025, 12, 6), date(2026, 5, 6)]),
    ends=st.sampled_from([None, date(2025, 12, 5)]),
    status=st.sampled_from(["FOLLOWED", "PLANNED"]),
    hours=st.sampled_from([3, 400]),
    counts=st.booleans(),
    uses=st.sampled_from([(), (("LEGAL", 400),), (("SECTOR", 1), ("LEGAL", 2), ("SECTOR", 3))]),
)
CANCELS = st.builds(
    lambda operation, reference, who: declarations.cancel(operation, reference=reference, **who),
    st.sampled_from(["TrainingRightCancel", "TrainingCancel"]),
    REFERENCES,
    WHO,
)
CHANGES = st.sampled_from(
    [
        *[("", "")] * 12,
        ("TrainingIn>", "TrainingUpdate>"),
        ("<RegistrantReference>[^<]*</RegistrantReference>", f"<FLAId>{'1' * 24}</FLAId>"),
        ("<EmployerId>", "<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1"
         "</ReferenceOrigin><ReferenceNbr>1</ReferenceNbr></Reference>\n<EmployerId>"),
        ("<EmployerId>", "<EmployerId><NOSSRegistrationNbr>100104</NOSSRegistrationNbr>"),
        ("<TypeForm>SU", "<TypeForm>XX"),
        ("<INSS>", "<INSS><!-- c -->"),
        ("<Form>", "<Form >"),
    ]
)  # fmt: skip
FORMS = st.lists(st.tuples(st.one_of(RIGHTS, UPDATES, TRAININGS, CANCELS), CHANGES), max_size=12)
LAYOUTS: list[Callable[[str], str]] = [
    str,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", ""),
    lambda text: text.replace("\n", "\n\n\n"),
]


def judged(
    connection: Connection, fi: bytes, pattern: re.Pattern[str] | None
) -> tuple[list[FormVerdict], list[list[tuple[object, ...]]], int]:
    """The verdicts, what the ledger then holds, and how many forms the pattern told."""
    service = fla_service(SETTINGS, SqlLedger(connection))
    plain = 0

    def pairs() -> Iterator[tuple[str, object]]:
        nonlocal plain
        for form in forms([fi], "Form", pattern):
            plain += isinstance(form, PlainForm)
            yield PART, form

    verdicts = list(service.judge(pairs(), facts()))  # type: ignore[arg-type]
    tables = (ledger_object, training_right, training)
    rows = [[tuple(r) for r in connection.execute(t.select())] for t in tables]
    return verdicts, rows, plain


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain") / "ledger.sqlite"


@given(FORMS, st.sampled_from(LAYOUTS))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_verdicts_places_and_rows_are_the_same(
    ledger: Path, given_forms: list[tuple[str, tuple[str, str]]], layout: Callable[[str], str]
) -> None:
    first = declarations.right("Z", inss=PERSONS[2])
    changed = [re.sub(old, new, text) if old else text for text, (old, new) in given_forms]
    fi = layout(declarations.declaration(first, *changed).decode()).encode()
    engine = engine_for(ledger, create=True)
    pattern = fla_service(SETTINGS, None).description.plain  # type: ignore[arg-type]
    found = []
    for one in (pattern, None):
        with trying(engine) as connection:
            metadata.create_all(connection)
            found.append(judged(connection, fi, one))
    engine.dispose()
    (ours, its) = found
    assert ours[:2] == its[:2]
    assert its[2] == 0
    assert ours[2] >= sum(not old for _, (old, _) in given_forms)
