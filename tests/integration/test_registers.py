"""The registers on a real database: what is promised to the operator, to login and to verdicts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, select

from batch.errors import OperatorError
from batch.identifiers import EnterpriseNumber, NssoNumber, Quarter, SenderNumber
from batch.registers import Enterprise, Mandate, Quality
from batch.storage.database import engine_for, reading
from batch.storage.registers import Registers
from batch.storage.registers_admin import NewChannel, RegistersAdmin
from batch.storage.registers_tables import register_event
from batch.storage.schema import metadata
from fixtures.certificates import PKI

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MUCH_LATER = NOW + timedelta(days=60)
BEFORE = NOW - timedelta(seconds=1)

ACME = EnterpriseNumber.parse("0403.170.701")
PAYROLL = EnterpriseNumber.parse("0202239951")
OTHER = EnterpriseNumber.parse("0417497106")
UNKNOWN = EnterpriseNumber.parse("0200065765")
FIRST, SECOND = SenderNumber.parse("1"), SenderNumber.parse("2")
Q1, Q2, Q3, Q4 = (Quarter(2026, number) for number in (1, 2, 3, 4))


def pki(name: str) -> bytes:
    return (PKI / name).read_bytes()


def wanted(enterprise: EnterpriseNumber, quality: Quality, user: str, holder: str) -> NewChannel:
    key, certificate = pki(f"{holder}.ssh.pub"), pki(f"{holder}.pem")
    return NewChannel(enterprise, quality, user, key, certificate, ("FLA",))


WANTED = wanted(ACME, Quality.NSSO_EMPLOYER, "EXP_ACME", "employer")
ANOTHER = wanted(PAYROLL, Quality.SERVICE_PROVIDER, "EXP_PAY", "mandatary")
"""Collides in nothing with WANTED."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = engine_for(tmp_path / "production.sqlite", create=True)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def registers(engine: Engine) -> RegistersAdmin:
    """Three enterprises and one trusted CA; no channel and no mandate."""
    admin = RegistersAdmin(engine)
    for number, name in ((ACME, "Acme"), (PAYROLL, "Payroll"), (OTHER, "Other")):
        admin.add_enterprise(number, name, None, NOW)
    admin.add_trust(pki("trusted-ca.pem"), NOW)
    return admin


def events(engine: Engine) -> list[tuple[str, dict[str, str]]]:
    """All traces left so far, in order."""
    with reading(engine) as connection:
        rows = connection.execute(select(register_event).order_by(register_event.c.id)).all()
    return [(row.what, row.detail) for row in rows]


def grant(
    employer: EnterpriseNumber, mandatary: EnterpriseNumber, first: Quarter, *last: Quarter
) -> Mandate:
    return Mandate(0, employer, mandatary, "FLA", first, last[0] if last else None)


def test_an_enterprise_added_is_found_and_an_unknown_one_is_none(registers: RegistersAdmin) -> None:
    assert registers.enterprise(ACME) == Enterprise(ACME, "Acme", None)
    assert registers.enterprise(UNKNOWN) is None
    assert [e.number for e in registers.enterprises()] == sorted([ACME, PAYROLL, OTHER])


def test_an_enterprise_is_renamed_and_keeps_the_nsso_number_not_given_again(
    registers: RegistersAdmin, engine: Engine
) -> None:
    nsso = NssoNumber.parse("100103")
    registers.add_enterprise(ACME, "Acme", nsso, NOW)
    renamed = registers.add_enterprise(ACME, "Acme & Zoon", None, LATER)
    assert renamed == registers.enterprise(ACME) == Enterprise(ACME, "Acme & Zoon", nsso)
    detail = {"enterprise_number": str(ACME), "name": "Acme & Zoon", "nsso": "100103"}
    assert events(engine)[-1] == ("enterprise_changed", detail)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201])
def test_an_enterprise_name_that_is_no_line_of_text_is_refused(
    registers: RegistersAdmin, name: str
) -> None:
    with pytest.raises(OperatorError, match="name"):
        registers.add_enterprise(ACME, name, None, NOW)


def test_an_opened_channel_has_all_it_was_opened_with(registers: RegistersAdmin) -> None:
    opened = registers.open_channel(WANTED, NOW)
    assert opened == registers.channel(FIRST) == registers.channel_of_user("EXP_ACME")
    assert registers.channel(SECOND) is registers.channel_of_user("exp_acme") is None
    assert (opened.sender, opened.enterprise, opened.quality) == (FIRST, ACME, WANTED.quality)
    assert (opened.open.covers(NOW), opened.open.covers(BEFORE)) == (True, False)
    assert [k.public.encode() for k in opened.keys] == [WANTED.ssh_key.strip()]
    certificate = x509.load_pem_x509_certificate(WANTED.certificate)
    (registered,) = opened.certificates_at(NOW)
    assert registered.der == certificate.public_bytes(Encoding.DER)
    assert registered.not_after == certificate.not_valid_after_utc
    assert registered.fingerprint == certificate.fingerprint(SHA256()).hex()
    assert (opened.may_use("FLA", NOW), opened.may_use("FLA", BEFORE)) == (True, False)


def test_sender_numbers_are_given_out_in_order_and_never_again(registers: RegistersAdmin) -> None:
    opened = [registers.open_channel(new, NOW) for new in (WANTED, ANOTHER)]
    assert registers.channels() == opened
    registers.close_channel(SECOND, NOW)
    registers.open_channel(replace(ANOTHER, user="EXP_PAY2"), LATER)
    assert [str(c.sender) for c in registers.channels()] == ["000001", "000002", "000003"]


@pytest.mark.parametrize(
    ("words", "change"),
    [
        (f"enterprise {UNKNOWN}: unknown", {"enterprise": UNKNOWN}),
        ("has channel 000001", {"enterprise": ACME, "quality": Quality.NSSO_EMPLOYER}),
        ("user EXP_ACME: taken by channel 000001", {"user": "EXP_ACME"}),
        ("user '../x': use", {"user": "../x"}),
        ("user '': use", {"user": ""}),
        ("SSH key: channel 000001 logs in", {"ssh_key": WANTED.ssh_key}),
        ("SSH key: .* PRIVATE", {"ssh_key": pki("mandatary.ssh")}),
        ("certificate: channel 000001 of enterprise", {"certificate": WANTED.certificate}),
        ("certificate: .* valid only from 2110", {"certificate": pki("not-yet-valid.pem")}),
        ("certificate: .* expired on 2019", {"certificate": pki("expired.pem")}),
        ("certificate: .* key usage", {"certificate": pki("encryption-only.pem")}),
        ("certificate: .* 1024 bits", {"certificate": pki("weak.pem")}),
        ("certificate: .* extension", {"certificate": pki("unknown-extension.pem")}),
        ("not in the trust.*trust add", {"certificate": pki("of-the-other-authority.pem")}),
        ("not in the trust", {"certificate": pki("self-signed.pem")}),
        ("certificate: ", {"certificate": b"no certificate"}),
        ("certificate: .* 2 are not", {"certificate": pki("tester.pem") + pki("weak.pem")}),
    ],
)
def test_a_channel_is_not_opened_when_anything_is_wrong(
    registers: RegistersAdmin, engine: Engine, words: str, change: dict[str, Any]
) -> None:
    registers.open_channel(WANTED, NOW)
    before = (registers.channels(), events(engine))
    with pytest.raises(OperatorError, match=words):
        registers.open_channel(replace(ANOTHER, **change), NOW)
    assert (registers.channels(), events(engine)) == before


def test_without_any_trusted_ca_the_operator_is_told_to_add_one(engine: Engine) -> None:
    admin = RegistersAdmin(engine)
    admin.add_enterprise(ACME, "Acme", None, NOW)
    with pytest.raises(OperatorError, match="fla-batch trust add"):
        admin.open_channel(WANTED, NOW)


def test_the_database_itself_holds_one_open_channel_per_enterprise_and_quality(
    registers: RegistersAdmin, tmp_path: Path
) -> None:
    registers.open_channel(WANTED, NOW)
    same = "enterprise, quality, opened_at"
    copy = f"INSERT INTO channel (sender, user, closed_at, {same}) "
    copy += f"SELECT '{{}}', '{{}}', {{}}, {same} FROM channel"
    with closing(sqlite3.connect(tmp_path / "production.sqlite")) as database:
        database.execute(copy.format("000008", "closed", "opened_at"))
        with pytest.raises(sqlite3.IntegrityError, match="channel"):
            database.execute(copy.format("000009", "open", "NULL") + " WHERE closed_at IS NULL")


def test_a_closed_channel_covers_nothing_any_more_and_can_be_followed_by_another(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    closed = registers.close_channel(FIRST, LATER)
    assert closed == registers.channel(FIRST)
    assert (closed.open.covers(NOW), closed.open.covers(LATER)) == (True, False)
    assert (closed.may_use("FLA", NOW), closed.may_use("FLA", LATER)) == (True, False)
    assert (len(closed.certificates_at(NOW)), len(closed.certificates_at(LATER))) == (1, 0)
    assert [key.valid.covers(LATER) for key in closed.keys] == [False]
    with pytest.raises(OperatorError, match="closed on 2026-05-04"):
        registers.grant(FIRST, "FLA", LATER)
    with pytest.raises(OperatorError, match="taken by channel 000001"):
        registers.open_channel(WANTED, LATER)
    assert registers.open_channel(replace(WANTED, user="EXP_NEW"), LATER).sender == SECOND


def test_a_service_revoked_was_usable_before_and_can_be_granted_again(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    revoked = registers.revoke(FIRST, "FLA", LATER)
    assert (revoked.may_use("FLA", NOW), revoked.may_use("FLA", LATER)) == (True, False)
    with pytest.raises(OperatorError, match="not granted"):
        registers.revoke(FIRST, "FLA", LATER)
    again = registers.grant(FIRST, "FLA", MUCH_LATER)
    assert (again.may_use("FLA", LATER), again.may_use("FLA", MUCH_LATER)) == (False, True)


def test_what_holds_already_is_done_and_leaves_no_second_trace(
    registers: RegistersAdmin, engine: Engine
) -> None:
    opened = registers.open_channel(WANTED, NOW)
    mandate = registers.grant_mandate(grant(ACME, PAYROLL, Q1, Q2), NOW)
    before = events(engine)
    der = x509.load_pem_x509_certificate(WANTED.certificate).public_bytes(Encoding.DER)
    assert registers.add_enterprise(ACME, " Acme ", None, LATER).name == "Acme"
    assert registers.grant(FIRST, "FLA", LATER) == opened
    assert registers.set_certificate(FIRST, der, LATER) == opened
    assert registers.set_ssh_key(FIRST, WANTED.ssh_key, LATER) == opened
    assert registers.grant_mandate(grant(ACME, PAYROLL, Q1, Q2), LATER) == mandate
    assert registers.end_mandate(mandate.id, Q2, LATER) == mandate
    assert registers.add_trust(pki("trusted-ca.pem"), LATER) == registers.trusted()
    assert events(engine) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.grant(SECOND, "FLA", NOW),
        lambda r: r.revoke(SECOND, "FLA", NOW),
        lambda r: r.set_ssh_key(SECOND, pki("tester.ssh.pub"), NOW),
        lambda r: r.set_certificate(SECOND, pki("tester.pem"), NOW),
        lambda r: r.close_channel(SECOND, NOW),
    ],
)
def test_a_channel_that_does_not_exist_is_not_changed(
    registers: RegistersAdmin, change: Callable[[RegistersAdmin], object]
) -> None:
    with pytest.raises(OperatorError, match="sender 000002: no such channel"):
        change(registers)


def test_a_new_certificate_is_valid_now_and_the_former_stays_valid(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    changed = registers.set_certificate(FIRST, pki("renewed.pem"), LATER)
    assert (len(changed.certificates_at(NOW)), len(changed.certificates_at(LATER))) == (1, 2)


def test_an_announced_certificate_is_judged_at_the_instant_from_which_it_signs(
    registers: RegistersAdmin,
) -> None:
    begin = datetime(2110, 7, 1, tzinfo=UTC)
    registers.open_channel(WANTED, NOW)
    with pytest.raises(OperatorError, match="valid only from 2110-01-01"):
        registers.set_certificate(FIRST, pki("not-yet-valid.pem"), NOW)
    changed = registers.set_certificate(FIRST, pki("not-yet-valid.pem"), NOW, begin)
    assert len(changed.certificates_at(begin - timedelta(seconds=1))) == 1
    assert len(changed.certificates_at(begin)) == 2


def test_an_announced_certificate_needed_at_once_is_never_held_twice(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    registers.set_certificate(FIRST, pki("renewed.pem"), NOW, MUCH_LATER)
    changed = registers.set_certificate(FIRST, pki("renewed.pem"), LATER)
    held = [len(changed.certificates_at(at)) for at in (NOW, LATER, MUCH_LATER)]
    assert held == [1, 2, 2]


def test_one_certificate_may_sign_for_two_channels_of_one_enterprise_and_not_of_two(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    stranger = replace(ANOTHER, certificate=WANTED.certificate)
    sibling = replace(stranger, enterprise=ACME, user="EXP_ACME2", ssh_key=pki("tester.ssh.pub"))
    assert registers.open_channel(sibling, NOW).enterprise == ACME
    with pytest.raises(OperatorError, match=f"of enterprise {ACME} signs with it"):
        registers.open_channel(stranger, NOW)
    registers.close_channel(FIRST, NOW)
    registers.close_channel(SECOND, NOW)
    assert registers.open_channel(stranger, NOW).enterprise == PAYROLL


def test_a_new_login_key_replaces_the_former(registers: RegistersAdmin) -> None:
    registers.open_channel(WANTED, NOW)
    former, current = registers.set_ssh_key(FIRST, pki("tester.ssh.pub"), LATER).keys
    assert (former.valid.covers(NOW), former.valid.covers(LATER)) == (True, False)
    assert (current.valid.covers(NOW), current.valid.covers(LATER)) == (False, True)


def test_a_login_key_of_another_open_channel_is_refused_until_that_one_is_closed(
    registers: RegistersAdmin,
) -> None:
    registers.open_channel(WANTED, NOW)
    registers.open_channel(ANOTHER, NOW)
    with pytest.raises(OperatorError, match="channel 000001 logs in with it"):
        registers.set_ssh_key(SECOND, WANTED.ssh_key, NOW)
    registers.close_channel(FIRST, LATER)
    assert registers.set_ssh_key(SECOND, WANTED.ssh_key, LATER).keys[-1].valid.covers(LATER)


def test_a_mandate_granted_is_found_between_the_two_and_in_no_other_direction(
    registers: RegistersAdmin,
) -> None:
    given = registers.grant_mandate(grant(ACME, PAYROLL, Q1, Q4), NOW)
    assert registers.mandates_between(ACME, PAYROLL) == [given] == registers.mandates()
    assert replace(given, id=0) == grant(ACME, PAYROLL, Q1, Q4)
    assert registers.mandates_between(PAYROLL, ACME) == []


def test_an_employer_has_one_mandatary_per_service_at_a_time(registers: RegistersAdmin) -> None:
    registers.grant_mandate(grant(ACME, PAYROLL, Q1, Q2), NOW)
    for quarters in ((Q2,), (Q2, Q3), (Q1, Q1)):
        with pytest.raises(OperatorError, match=f"has mandatary {PAYROLL} .*mandate 1"):
            registers.grant_mandate(grant(ACME, OTHER, *quarters), NOW)
    registers.grant_mandate(grant(ACME, OTHER, Q3), NOW)
    registers.grant_mandate(replace(grant(ACME, PAYROLL, Q3), service="DIMONA"), NOW)
    registers.grant_mandate(grant(OTHER, PAYROLL, Q1), NOW)
    assert [m.mandatary for m in registers.mandates()] == [PAYROLL, OTHER, PAYROLL, PAYROLL]


def test_an_ended_mandate_covers_its_last_quarter_and_makes_room_for_another(
    registers: RegistersAdmin,
) -> None:
    given = registers.grant_mandate(grant(ACME, PAYROLL, Q1), NOW)
    ended = registers.end_mandate(given.id, Q2, NOW)
    assert registers.mandates() == [ended]
    assert (ended.covers(Q2), ended.covers(Q3)) == (True, False)
    assert registers.grant_mandate(grant(ACME, OTHER, Q3), NOW).id != given.id


@pytest.mark.parametrize("quarter", [Quarter(2025, 4), Q4])
def test_a_mandate_ends_neither_before_it_began_nor_later_than_it_did(
    registers: RegistersAdmin, quarter: Quarter
) -> None:
    given = registers.grant_mandate(grant(ACME, PAYROLL, Q1, Q3), NOW)
    with pytest.raises(OperatorError, match="valid from 2026Q1 to 2026Q3"):
        registers.end_mandate(given.id, quarter, NOW)


@pytest.mark.parametrize(
    ("words", "mandate"),
    [
        ("enterprise 0200065765: unknown", grant(UNKNOWN, PAYROLL, Q1)),
        ("enterprise 0200065765: unknown", grant(ACME, UNKNOWN, Q1)),
        ("is the employer", grant(ACME, ACME, Q1)),
        ("until 2026Q1: comes before the first quarter 2026Q2", grant(ACME, PAYROLL, Q2, Q1)),
    ],
)
def test_a_mandate_without_sense_is_refused(
    registers: RegistersAdmin, words: str, mandate: Mandate
) -> None:
    with pytest.raises(OperatorError, match=words):
        registers.grant_mandate(mandate, NOW)
    assert registers.mandates() == []


def test_every_change_leaves_a_trace_that_names_no_person(
    registers: RegistersAdmin, engine: Engine
) -> None:
    """The subject of a certificate may be one: the trace has its fingerprint."""
    before = len(events(engine))
    registers.open_channel(WANTED, NOW)
    registers.set_ssh_key(FIRST, pki("tester.ssh.pub"), NOW)
    registers.revoke(FIRST, "FLA", NOW)
    registers.end_mandate(registers.grant_mandate(grant(ACME, PAYROLL, Q1), NOW).id, Q1, NOW)
    registers.close_channel(FIRST, NOW)
    traces = events(engine)[before:]
    assert " ".join(what for what, _ in traces) == (
        "channel_opened channel_key_added channel_certificate_added channel_service_added "
        "channel_key_ended channel_key_added channel_service_ended mandate_granted mandate_ended "
        "channel_key_ended channel_certificate_ended channel_closed"
    )
    assert {d["sender_number"] for what, d in traces if what.startswith("channel")} == {"000001"}
    subject = x509.load_pem_x509_certificate(WANTED.certificate).subject
    name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert name not in json.dumps(traces)


def test_a_reader_with_an_engine_of_its_own_sees_what_was_committed(
    registers: RegistersAdmin, tmp_path: Path
) -> None:
    """As the server does, beside the administrator's command."""
    other = engine_for(tmp_path / "production.sqlite")
    opened = registers.open_channel(WANTED, NOW)
    assert Registers(other).channel_of_user("EXP_ACME") == opened
    other.dispose()
