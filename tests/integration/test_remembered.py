"""The worker's registers: read again as soon as an operator changed something, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, event

from batch.registers import Exemption, Interval, Mandate
from batch.storage.database import engine_for
from batch.storage.registers import Registers
from batch.storage.registers_admin import RegistersAdmin
from batch.storage.remembered import RememberedRegisters
from batch.storage.schema import metadata
from tests.integration.test_registers import (
    ACME,
    ANOTHER,
    FIRST,
    LATER,
    MUCH_LATER,
    NOW,
    OTHER,
    PAYROLL,
    Q1,
    Q2,
    SECOND,
    UNKNOWN,
    WANTED,
    pki,
)
from tests.integration.upkeep.places import Authority


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = engine_for(tmp_path / "production.sqlite", create=True)
    metadata.create_all(engine)
    admin = RegistersAdmin(engine)
    for number, name in ((ACME, "Acme"), (PAYROLL, "Payroll")):
        admin.add_enterprise(number, name, None, NOW)
    admin.add_trust(pki("trusted-ca.pem"), NOW)
    admin.open_channel(WANTED, NOW)
    yield engine
    engine.dispose()


def ask(registers: Registers) -> list[Any]:
    """All that the worker asks of it."""
    return [
        registers.channel(FIRST),
        registers.channel(SECOND),
        registers.enterprise(ACME),
        registers.enterprise(OTHER),
        registers.enterprise(UNKNOWN),
        registers.mandates_between(ACME, PAYROLL),
        registers.mandates_between(PAYROLL, ACME),
    ]


CHANGES: list[Callable[[RegistersAdmin], Any]] = [
    lambda admin: admin.add_enterprise(OTHER, "Other", None, LATER),
    lambda admin: admin.add_enterprise(ACME, "Acme and daughters", None, LATER),
    lambda admin: admin.open_channel(ANOTHER, LATER),
    lambda admin: admin.grant(FIRST, "OTHR", LATER),
    lambda admin: admin.revoke(FIRST, "FLA", LATER),
    lambda admin: admin.set_legacy(FIRST, True, LATER),
    lambda admin: admin.set_certificate(FIRST, pki("renewed.pem"), LATER),
    lambda admin: admin.set_ssh_key(FIRST, pki("tester.ssh.pub"), LATER),
    lambda admin: admin.set_exception(
        FIRST, Exemption("sha1", "old software", Interval(LATER, MUCH_LATER)), LATER
    ),
    lambda admin: admin.grant_mandate(Mandate(0, ACME, PAYROLL, "FLA", Q1, None), LATER),
    lambda admin: admin.close_channel(FIRST, LATER + timedelta(days=1)),
]


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that SQLAlchemy runs meanwhile."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_every_change_is_seen_at_once(engine: Engine) -> None:
    admin, plain, held = RegistersAdmin(engine), Registers(engine), RememberedRegisters(engine)
    assert ask(held) == ask(plain)
    for number, change in enumerate(CHANGES):
        before = ask(plain)
        change(admin)
        assert ask(plain) != before, number
        assert ask(held) == ask(plain), number
    granted = plain.mandates_between(ACME, PAYROLL)[0]
    admin.end_mandate(granted.id, Q2, LATER)
    assert ask(held) == ask(plain)


def test_what_nobody_changed_is_not_read_again(engine: Engine) -> None:
    held = RememberedRegisters(engine)
    with counted(engine) as first:
        ask(held)
    with counted(engine) as again:
        ask(held)
    assert len(first) > 10
    assert again == []


def test_not_more_is_remembered_than_has_its_place(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch.storage.remembered.KEPT", 3)
    held = RememberedRegisters(engine)
    for _ in range(2):
        assert ask(held) == ask(Registers(engine))
        assert len(held._answers) <= 3


def test_what_stands_still_is_asked_once_and_changes_after_it(engine: Engine) -> None:
    admin, plain, held = RegistersAdmin(engine), Registers(engine), RememberedRegisters(engine)
    now, authority = datetime.now(UTC), Authority()
    admin.add_trust(authority.certificate().public_bytes(Encoding.DER), now)
    admin.add_trust(authority.crl(), now)

    def known(of: Registers) -> list[object]:
        return [ask(of), of.trust_anchors(), of.intermediates(), of.sources([], now)]

    before = known(plain)
    assert len(plain.sources([], now).crls) == 1
    with held.standing_still():
        assert known(held) == known(held) == before
        admin.add_enterprise(OTHER, "Other", None, LATER)
        admin.add_trust(pki("other-ca.pem"), now)
        _, between = authority.below("Between CA", [])
        admin.add_trust(between.public_bytes(Encoding.DER), now, intermediate=True)
        admin.add_trust(authority.crl(authority.certificate()), now)
        assert known(plain) != before
        assert known(held) == before
    assert known(held) == known(plain)


def test_a_ca_that_was_only_known_is_trusted_as_soon_as_it_is_given_so(engine: Engine) -> None:
    """Its row changes and none comes: no number grows."""
    admin, plain, held = RegistersAdmin(engine), Registers(engine), RememberedRegisters(engine)
    _, certificate = Authority().below("Between CA", [])
    between = certificate.public_bytes(Encoding.DER)
    admin.add_trust(between, NOW, intermediate=True)
    for of in (plain, held):
        assert (len(of.trust_anchors()), of.intermediates()) == (1, [between])
    admin.add_trust(between, LATER)
    with held.standing_still():
        for of in (plain, held):
            assert (of.trust_anchors()[1:], of.intermediates()) == ([between], [])
