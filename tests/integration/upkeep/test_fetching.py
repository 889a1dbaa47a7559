"""What certificates name is fetched ahead, kept once, and asked for again in time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from batch.signing.findings import SourceKind
from batch.storage import revocations
from batch.storage.database import writing
from batch.storage.register_files import Trusted, TrustKind
from batch.storage.registers_tables import trust
from batch.storage.revocations import Obtained
from batch.worker.loop import Worker
from tests.integration.storage.world import RECEIVED, SENDER, World
from tests.integration.upkeep.places import Answer, Place, gives
from tests.integration.upkeep.told import Told

HOUR = timedelta(hours=1)


@pytest.fixture
def told(world: World) -> Told:
    return Told(world, at=datetime.now(UTC))


def kept(told: Told) -> list[Obtained]:
    return revocations.obtained(told.world.instance.production)


def lines(capfd: pytest.CaptureFixture[str], event: str) -> list[str]:
    return [line for line in capfd.readouterr().err.splitlines() if f'"{event}"' in line]


def answering(told: Told, *, revoked: bool = False) -> Answer:
    """An OCSP responder that signs with the CA's own key, and answers what it is asked."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
        now, authority = datetime.now(UTC), told.authority
        builder = ocsp.OCSPResponseBuilder().add_response(
            told.signer,
            authority.certificate(),
            SHA1(),
            status,
            now,
            now + HOUR,
            now - HOUR if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate())
        gives(builder.sign(authority.key, SHA256()).public_bytes(Encoding.DER))(request)

    return answer


def test_a_list_that_is_named_is_kept_and_decides(told: Told, there: Place) -> None:
    there.answers = {"/ca.crl": gives(told.authority.crl())}
    told.register(there.url("/ca.crl"))
    assert told.fetcher().look() == 1
    [held] = kept(told)
    assert (held.source.kind, held.source.url) == (SourceKind.CRL, there.url("/ca.crl"))
    stem = told.send()
    told.world.work()
    assert told.world.receipts(stem) == [RECEIVED]


@pytest.mark.parametrize("revoked", [False, True])
def test_a_responder_is_asked_about_the_very_certificate(
    told: Told, there: Place, revoked: bool
) -> None:
    there.answers = {"/ocsp": answering(told, revoked=revoked)}
    told.register(responders=(there.url("/ocsp"),))
    told.fetcher().look()
    [(method, _, body)] = there.asked
    question = ocsp.load_der_ocsp_request(body)
    assert (method, question.serial_number) == ("POST", told.signer.serial_number)
    [held] = kept(told)
    assert held.source.certificate == told.signer.fingerprint(SHA256()).hex()
    stem = told.send()
    told.world.work()
    assert told.world.receipts(stem) == [["153"] if revoked else RECEIVED]


def test_where_nothing_is_named_nobody_is_asked(told: Told, there: Place) -> None:
    told.register()
    assert told.fetcher().look() == 0
    assert (there.asked, kept(told)) == ([], [])


def test_closed_channels_and_ended_certificates_ask_for_nothing(told: Told, there: Place) -> None:
    told.register(there.url("/ca.crl"))
    told.admin.close_channel(SENDER, told.now())
    told.at = told.now() + HOUR
    assert told.fetcher().look() == 0
    assert there.asked == []


def test_what_is_no_place_of_http_is_left_to_the_operator(told: Told) -> None:
    told.register("ldap://127.0.0.1/cn=ca")
    assert told.fetcher().look() == 0


def test_it_is_asked_again_at_half_of_its_life_and_kept_once(told: Told, there: Place) -> None:
    there.answers = {"/ca.crl": gives(told.authority.crl(ends=HOUR, begins=told.now()))}
    told.register(there.url("/ca.crl"))
    fetcher, begun = told.fetcher(), told.now()
    for minutes, asked in ((0, 1), (1, 1), (29, 1), (31, 2), (32, 2)):
        told.at = begun + timedelta(minutes=minutes)
        fetcher.look()
        assert len(there.asked) == asked, minutes
    assert len(kept(told)) == 1
    assert kept(told)[0].obtained_at == begun + timedelta(minutes=31)
    told.fetcher().look()  # after a restart too
    assert len(there.asked) == 2


def test_away_and_back_are_one_line_each_and_pauses_grow(
    told: Told, there: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    told.register(there.url("/ca.crl"))
    fetcher, begun = told.fetcher(), told.now()
    times: list[int] = []
    for second in range(70):
        told.at = begun + timedelta(seconds=second)
        fetcher.look()
        if len(there.asked) > len(times):
            times.append(second)
    assert times == [0, 1, 3, 7, 15, 31, 63]
    there.answers = {"/ca.crl": gives(told.authority.crl())}
    told.at = begun + timedelta(minutes=10)
    assert [fetcher.look(), fetcher.look()] == [1, 0]
    said = capfd.readouterr().err
    assert (said.count('"source_away"'), said.count('"source_back"')) == (1, 1)
    assert "status 404" in said


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"\x30\x03\x0a\x01\x06"])
def test_what_cannot_be_read_is_not_kept(
    told: Told, there: Place, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    there.answers = {"/ca.crl": gives(body), "/ocsp": gives(body)}
    told.register(there.url("/ca.crl"), responders=(there.url("/ocsp"),))
    told.fetcher().look()
    assert kept(told) == []
    assert len(lines(capfd, "source_away")) == 2


def test_a_list_that_has_ended_counts_as_away(
    told: Told, there: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    old = told.authority.crl(ends=HOUR, begins=told.now() - 3 * HOUR)
    there.answers = {"/ca.crl": gives(old)}
    told.register(there.url("/ca.crl"))
    fetcher = told.fetcher()
    fetcher.look()
    [line] = lines(capfd, "source_away")
    assert "ended on" in line
    [(_, _, failing)] = fetcher.standing()
    assert failing


def test_a_list_in_pem_is_read_too(told: Told, there: Place) -> None:
    pem = x509.load_der_x509_crl(told.authority.crl()).public_bytes(Encoding.PEM)
    there.answers = {"/ca.crl": gives(pem)}
    told.register(there.url("/ca.crl"))
    told.fetcher().look()
    assert len(kept(told)) == 1


def test_one_place_that_is_away_holds_up_no_other(told: Told, there: Place) -> None:
    there.answers = {"/ca.crl": gives(told.authority.crl())}
    told.register("http://127.0.0.1:1/away.crl", there.url("/ca.crl"))
    told.fetcher().look()
    assert len(kept(told)) == 1


def test_a_set_that_waits_is_decided_as_soon_as_its_source_is_back(
    told: Told, there: Place
) -> None:
    told.register(there.url("/ca.crl"))
    fetcher, worker = told.fetcher(), told.world.worker()
    fetcher.look()
    stem = told.send()
    worker.run_until_idle()
    assert told.world.report(stem).verdict == "undecided"
    there.answers = {"/ca.crl": gives(told.authority.crl())}
    told.at = told.now() + timedelta(seconds=11)
    _looks(fetcher.look, worker)
    assert told.world.receipts(stem) == [RECEIVED]


def _looks(look: object, worker: Worker) -> None:
    assert callable(look)
    assert look() == 1
    worker.run_until_idle()


def test_a_new_certificate_is_noticed(told: Told, there: Place) -> None:
    there.answers = {"/ca.crl": gives(told.authority.crl())}
    told.register()
    fetcher = told.fetcher()
    assert fetcher.look() == 0
    told.register(there.url("/ca.crl"))
    assert fetcher.look() == 1


def test_private_places_are_asked_only_where_that_is_set(
    told: Told, there: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    told.register(there.url("/ca.crl"))
    told.fetcher(private=False).look()
    assert there.asked == []
    assert "revocation_private" in lines(capfd, "source_away")[0]


def test_what_was_replaced_is_forgotten_and_the_latest_never(told: Told, there: Place) -> None:
    told.register(there.url("/ca.crl"))
    fetcher, begun = told.fetcher(), told.now()
    for hours in range(5):
        told.at = begun + hours * HOUR
        there.answers = {"/ca.crl": gives(told.authority.crl(begins=told.now()))}
        fetcher.look()
    held = kept(told)
    assert len(held) == 5
    engine = told.world.instance.production
    shelf = revocations.SourceShelf(engine)
    assert len(shelf.sources((), begun + timedelta(minutes=1)).crls) == 2
    assert revocations.forget(engine, begun + 2.5 * HOUR) == 2
    assert [item.id for item in kept(told)] == [item.id for item in held[2:]]
    assert revocations.forget(engine, begun + 100 * HOUR) == 2
    assert [item.id for item in kept(told)] == [held[-1].id]
    for known in (shelf, revocations.SourceShelf(engine)):
        assert len(known.sources((), begun + 9 * HOUR).crls) == 1


def test_what_the_certificate_of_a_ca_between_names_is_fetched_and_decides(
    told: Told, there: Place
) -> None:
    top = told.authority
    told.authority, between = top.below("Between CA", [there.url("/top.crl")])
    entry = Trusted(
        TrustKind.INTERMEDIATE,
        "CN=Between CA",
        between.fingerprint(SHA256()).hex(),
        told.now(),
        between.public_bytes(Encoding.DER),
    )
    with writing(told.world.instance.production) as connection:
        connection.execute(trust.insert().values(**asdict(entry)))
    told.register(there.url("/between.crl"))
    there.answers = {
        "/top.crl": gives(top.crl(between)),
        "/between.crl": gives(told.authority.crl()),
    }
    assert told.fetcher().look() == 2
    stem = told.send()
    told.world.work()
    assert told.world.receipts(stem) == [["153"]]
    [found] = told.world.report(stem).findings
    assert "CN=Between CA was revoked on" in (found.explanation or "")
