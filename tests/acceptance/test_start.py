"""When ``serve`` does not start: it ends with 1 and one sentence that says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.acceptance.clients import Mail
from tests.acceptance.conftest import Registered, Serving
from tests.acceptance.instance import Said


def refused(said: Said) -> str:
    """The sentence that ``serve`` ended with."""
    assert said.code == 1, said
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err.splitlines()[-1]


def test_a_second_serve_on_an_instance_is_refused_and_the_first_serves_on(
    serving: Serving, registered: Registered
) -> None:
    instance = serving()
    instance.serve()
    sentence = refused(instance.process("serve", "--port", 0))
    assert "another living process" in sentence
    assert str(instance.data) in sentence
    with Mail(instance, registered.employer) as mail:
        assert mail.names("IN") == []
    assert instance.stop() == 0
    instance.serve()
    assert instance.stop() == 0


@pytest.mark.parametrize("environment", ["production", "test"])
def test_a_database_of_another_version_is_not_served(serving: Serving, environment: str) -> None:
    instance = serving()
    with closing(sqlite3.connect(instance.data / "db" / f"{environment}.sqlite")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    sentence = refused(instance.process("serve", "--port", 0))
    assert "version 9999" in sentence
    assert "fla-batch init" in sentence
