"""The sender's side without a connection: names, host keys, and what an answer says."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.anomalies import Severity
from batch.client import Notice, Outcome, Proof, Receipt, UnreadableAnswer, Verdict
from batch.client.answers import (
    FormResult,
    answer_name,
    belongs,
    read_notices,
    read_receipts,
    unpacked,
)
from batch.client.connection import host_keys
from batch.client.outgoing import OutgoingPart, OutgoingSet, folder_of, group, read_name
from batch.errors import OperatorError
from batch.names import Environment, Folder, Kind, Stem

STEM = "FLAD.000001.20261120.00001.R"
TICKET = "2AB001C3D4E5F"

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"


def acrf(*forms: str) -> io.BytesIO:
    return io.BytesIO(f"<?xml version='1.0'?>\n<ACRF>{''.join(forms)}</ACRF>".encode())


def received(name: str, result: int, *codes: str, ticket: str | None = TICKET) -> str:
    number = f"<ReferenceNbr>{ticket}</ReferenceNbr>" if ticket else ""
    errors = "".join(f"<ErrorID>{code}</ErrorID>" for code in codes)
    return (
        f"<Form><FileReference><FileName>{name}</FileName>{number}</FileReference>"
        f"<ReceptionResult><ResultCode>{result}</ResultCode>{errors}</ReceptionResult></Form>"
    )


# Names.


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("FS.FLAD.000001.20261120.00001.R.1.1", "not the name of an FI"),
        ("FI.FLAD.000001.20261120.00001.R.1.1.xml", "not the name of an FI"),
        ("declaration.xml", "not the name of an FI"),
        ("FI.FLAD.000001.20261120.00001.R", "total and part are missing"),
        ("FI.FLAD.000001.20261120.00000.R.1.1", "127"),
        ("FI.FLAD.000001.20261131.00001.R.1.1", "110"),
        ("FI.FLAD.000001.20261120.00001.Q.1.1", "117"),
        ("FI.FLAD.999999.20261120.00001.R.0.1", "one digit"),
        ("FI.FLAD.000001.20261120.00001.R.12.1", "one digit"),
        ("FI.FLAD.000001.20261120.00001.R.1.2", "the total comes first"),
    ],
)
def test_a_name_that_breaks_the_grammar_is_refused_with_the_reason(name: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        read_name(name)


def test_the_fs_has_the_name_of_its_fi_but_for_the_kind() -> None:
    name = read_name(f"FI.{STEM}.2.1")
    assert str(name.of(Kind.FS)) == f"FS.{STEM}.2.1"


@given(st.data())
def test_parts_given_in_any_order_become_whole_sets(data: st.DataObject) -> None:
    totals = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    names = [
        f"FI.FLAD.000001.20261120.{number:05d}.R.{total}.{part}"
        for number, total in enumerate(totals, 1)
        for part in range(1, total + 1)
    ]
    given_names = data.draw(st.permutations(names))
    sets = group(Path("somewhere") / name for name in given_names)
    assert sorted(len(parts) for parts in sets) == sorted(totals)
    for parts in sets:
        assert [name.part.number for name, _ in parts] == list(range(1, parts[0][0].part.total + 1))
        assert all(path.name == str(name) for name, path in parts)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((f"FI.{STEM}.3.1", f"FI.{STEM}.3.3"), "part 2 is missing"),
        ((f"FI.{STEM}.1.1", f"FI.{STEM}.1.1"), "given twice"),
        ((f"FI.{STEM}.1.1", f"FI.{STEM}.2.2"), "different totals"),
    ],
)
def test_a_set_that_is_not_whole_is_refused(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        group(Path(name) for name in names)


@pytest.mark.parametrize(("letter", "folder"), [("R", "IN"), ("T", "INTEST"), ("S", "INTEST")])
def test_the_letter_chooses_the_folder(letter: str, folder: str) -> None:
    assert folder_of(Stem.parse(STEM[:-1] + letter)) is Folder(folder)


def test_the_trigger_names_the_total() -> None:
    (parts,) = group(Path(f"FI.{STEM}.2.{part}") for part in (1, 2))
    outgoing = OutgoingSet(
        parts[0][0].stem, tuple(OutgoingPart(name, path, None) for name, path in parts)
    )
    assert outgoing.trigger == f"GO.{STEM}.2"
    assert outgoing.stem.environment is Environment.PRODUCTION


# Host keys.


def keys(*lines: str, place: str = "[channel.example]:8022") -> list[str]:
    return [f"{key.get_name()} {key.get_base64()}" for key in host_keys(list(lines), place)]


def test_a_public_key_line_holds_for_any_server() -> None:
    assert keys("# the channel", "", f"{ED25519} comment") == [ED25519]


def test_of_known_hosts_only_the_lines_of_this_server_count() -> None:
    lines = f"[channel.example]:8022 {ED25519}", f"channel.example,10.0.0.1 {OTHER}"
    assert keys(*lines) == [ED25519]
    assert keys(*lines, place="10.0.0.1") == [OTHER]
    assert keys(*lines, place="elsewhere.example") == []


@pytest.mark.parametrize(
    "line",
    [
        f"@revoked * {ED25519}",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAO",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_line_that_is_no_key_is_an_error_and_not_skipped(line: str) -> None:
    with pytest.raises(OperatorError, match="line 1"):
        keys(line)


# ACRF.


@pytest.mark.parametrize("name", [f"GO.{STEM}.1", f"GO.{STEM}", f"FI.{STEM}.1.1", f"TD.{STEM}.1"])
def test_a_receipt_is_tied_to_its_set_by_the_stem_whatever_file_it_names(name: str) -> None:
    (receipt,) = read_receipts(acrf(received(name, 1)))
    assert receipt == Receipt(STEM, name, TICKET, accepted=True, codes=())


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[0-9A-Z]{5}", fullmatch=True),
            st.booleans(),
            st.lists(st.from_regex(r"ACRF-[0-9]{3}", fullmatch=True), max_size=5),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_form_of_an_acrf_is_read(forms: list[tuple[str, bool, list[str]]]) -> None:
    text = [received(f"GO.FLAD.000001.20261120.{s}.R.1", int(ok), *codes) for s, ok, codes in forms]
    found = [(r.stem.split(".")[3], r.accepted, list(r.codes)) for r in read_receipts(acrf(*text))]
    assert found == forms


def test_a_receipt_without_a_ticket_is_read() -> None:
    (receipt,) = read_receipts(acrf(received(f"GO.{STEM}.1", 0, "ACRF-125", ticket=None)))
    assert (receipt.ticket, receipt.accepted, receipt.codes) == (None, False, ("ACRF-125",))


@pytest.mark.parametrize(
    "document", [b"", b"<ACRF>", b"<NOTIFICATION/>", b"FO was here", b"<a:ACRF xmlns:a='urn:a'/>"]
)
def test_what_is_no_acrf_is_unreadable(document: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        list(read_receipts(io.BytesIO(document)))


def test_no_entity_of_an_answer_is_expanded() -> None:
    declared = b'<!DOCTYPE ACRF [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
    form = received("&secret;", 1).encode()
    (receipt,) = read_receipts(io.BytesIO(declared + b"<ACRF>" + form + b"</ACRF>"))
    assert receipt.file_name == ""


# NOTI.

HANDLED = f"""<NOTIFICATION>
  <Form>
    <FileReference><FileName>FI.{STEM}.1.1</FileName><ReferenceNbr>{TICKET}</ReferenceNbr></FileReference>
    <Reference><ReferenceType>1</ReferenceType><ReferenceNbr>HR-1</ReferenceNbr></Reference>
    <HandledReference><ReferenceNbr>2BX002PAEVZB0</ReferenceNbr></HandledReference>
    <HandlingResult><ResultCode>1</ResultCode>
      <AnomalyReport><ErrorID>FLB04-460</ErrorID><AnomalyClass>W</AnomalyClass></AnomalyReport>
    </HandlingResult>
    <ApplicationData><FLAResult><FLAId>202501200000000000000017</FLAId><Version>2</Version>
      <RegistrantReference>R/1</RegistrantReference>
      <RemainingHours type="LEGAL">3400</RemainingHours>
      <RemainingHours type="SECTOR">0</RemainingHours>
    </FLAResult></ApplicationData>
  </Form>
  <Form>
    <FileReference><FileName>FI.{STEM}.1.1</FileName><ReferenceNbr>{TICKET}</ReferenceNbr></FileReference>
    <HandlingResult><ResultCode>0</ResultCode>
      <AnomalyReport><ErrorID>00024-004</ErrorID><TagName>INSS</TagName><Value>85073003329</Value>
        <AnomalyClass>B</AnomalyClass>
        <AnomalyLocation><LineNbr>31</LineNbr><ColumnNbr>40</ColumnNbr></AnomalyLocation>
      </AnomalyReport>
      <AnomalyReport><ErrorID>00911-014</ErrorID><TagName>EndingDate</TagName>
        <Value>2024-11-11</Value><AnomalyClass>B</AnomalyClass></AnomalyReport>
    </HandlingResult>
  </Form>
</NOTIFICATION>""".encode()


def handled() -> list[FormResult]:
    found = list(read_notices(io.BytesIO(HANDLED)))
    assert {(reference.ticket, reference.stem) for reference, _ in found} == {(TICKET, STEM)}
    return [form for _, form in found]


def test_an_accepted_form_tells_its_ids_and_the_remaining_hours() -> None:
    form = handled()[0]
    assert form.accepted
    assert (form.ticket, form.references) == ("2BX002PAEVZB0", ("HR-1",))
    assert (form.fla_id, form.version, form.registrant_reference) == (
        "202501200000000000000017",
        2,
        "R/1",
    )
    assert form.remaining == {"LEGAL": 3400, "SECTOR": 0}
    assert [(a.error_id, a.severity) for a in form.anomalies] == [("FLB04-460", Severity.WARNING)]


def test_a_refused_form_tells_code_and_line_and_keeps_no_inss() -> None:
    form = handled()[1]
    assert not form.accepted
    number, day = form.anomalies
    assert (number.error_id, number.line, number.column) == ("00024-004", 31, 40)
    assert (number.value, day.value) == (None, "2024-11-11")
    assert "85073003329" not in repr(form)


# The files of an answer.


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("GO.ACRF.999999.20261120.00001.R.1", "ACRF"),
        ("GO.NOTI.999999.20261120.24AZG.T", "NOTI"),
        ("GO.FLAD.999999.20261120.00001.R.1", None),
        ("GO.ACRF.000001.20261120.00001.R.1", None),
        ("FO.ACRF.999999.20261120.00001.R.1.1", None),
        ("PDF.something", None),
    ],
)
def test_only_the_trigger_of_an_acrf_or_noti_announces_an_answer(
    text: str, code: str | None
) -> None:
    found = answer_name(text)
    assert (found.code if found else None) == code


def test_the_files_of_an_answer_share_its_identity_with_or_without_parts() -> None:
    identity = "ACRF.999999.20261120.00001.R"
    assert belongs(f"FO.{identity}.1.1", identity) is Kind.FO
    assert belongs(f"CO.{identity}", identity) is Kind.CO
    assert belongs(f"FS.{identity}.1.1", identity) is Kind.FS
    assert belongs(f"FI.{identity}.1.1", identity) is None
    assert belongs(f"FO.{identity}X.1.1", identity) is None
    assert belongs("FO.ACRF.999999.20261120.00002.R.1.1", identity) is None


def packed(*members: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, HANDLED)
    return target.getvalue()


def test_a_co_gives_the_one_fo_inside() -> None:
    with unpacked(Kind.CO, packed("FO.NOTI.999999.20261120.00001.R.1.1")) as document:
        assert len(list(read_notices(document))) == 2


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", packed(), packed("a", "b"), packed("a")[:-30]]
)
def test_a_co_that_is_no_zip_of_one_file_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableAnswer), unpacked(Kind.CO, content) as document:
        list(read_notices(document))


# What came of a set.

GOOD = FormResult("1", accepted=True)
BAD = FormResult("2", accepted=False)


def outcome(accepted: bool | None, *forms: FormResult, proof: Proof = Proof.VERIFIED) -> Outcome:
    receipt = None
    if accepted is not None:
        receipt = Receipt(STEM, f"GO.{STEM}.1", TICKET, accepted, ())
    notice = Notice(TICKET, forms, proof=proof) if forms else None
    return Outcome(STEM, receipt, notice)


@pytest.mark.parametrize(
    ("found", "verdict", "complete"),
    [
        (outcome(None), Verdict.UNANSWERED, False),
        (outcome(True), Verdict.UNANSWERED, False),
        (outcome(False), Verdict.REFUSED, True),
        (outcome(True, GOOD, GOOD), Verdict.ACCEPTED, True),
        (outcome(True, GOOD, BAD), Verdict.PARTLY, True),
        (outcome(True, BAD, BAD), Verdict.REFUSED, True),
        (outcome(True, GOOD, proof=Proof.WRONG), Verdict.UNPROVEN, True),
        (outcome(True, GOOD, proof=Proof.UNVERIFIED), Verdict.ACCEPTED, True),
    ],
)
def test_the_verdict_follows_from_both_answers(
    found: Outcome, verdict: Verdict, complete: bool
) -> None:
    assert (found.verdict, found.complete) == (verdict, complete)
