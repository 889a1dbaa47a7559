"""Whether a declaration is judged at once or in many chunks, and however little a book keeps of
them, makes no difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from batch.fla import book, service
from batch.storage.database import engine_for, trying
from batch.storage.ledger_tables import ledger_object, training, training_right
from batch.storage.schema import metadata
from tests.declarations import PERSONS
from tests.integration.test_ledger import OPERATIONS, ids, judged, outcome


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chunks") / "ledger.sqlite"


def said(connection: Connection, forms: list[str]) -> tuple[object, ...]:
    """The verdicts and what the ledger then holds, but for the numbers of FLA ids."""
    verdicts = [(ids(v), outcome(v)) for v in judged(connection, *forms)]
    tables = (ledger_object, training_right, training)
    rows = [[tuple(r)[1:] for r in connection.execute(t.select())] for t in tables]
    return verdicts, rows


@given(OPERATIONS, st.integers(1, 3), st.lists(st.booleans(), min_size=12, max_size=12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_chunks_and_what_is_kept_between_them_change_no_verdict_and_no_row(
    ledger: Path, operations: list[str], chunk: int, others: list[bool]
) -> None:
    who = [PERSONS[1] if other else PERSONS[0] for other in others]
    forms = [text.replace(PERSONS[0], inss) for text, inss in zip(operations, who, strict=False)]
    engine = engine_for(ledger, create=True)
    found = []
    for size, kept in ((service.CHUNK, book.KEPT), (chunk, book.KEPT), (chunk, 0)):
        with pytest.MonkeyPatch.context() as patch, trying(engine) as connection:
            patch.setattr(service, "CHUNK", size)
            patch.setattr(book, "KEPT", kept)
            metadata.create_all(connection)
            found.append(said(connection, forms))
    engine.dispose()
    assert found[0] == found[1] == found[2]
