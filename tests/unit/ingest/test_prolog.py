"""Before any parser acts: encoding, DOCTYPE, root and schema, from the first bytes alone."""

from __future__ import annotations

import pytest

from batch.ingest.forms import MAX_FORM_BYTES
from batch.ingest.prolog import Prolog
from batch.ingest.services import Description
from tests.unit.ingest.sets import FLA, blocks

SIZES = (2, 3, 7, 64, 100_000)
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
DECLARATION = '<?xml version="1.0" encoding="{}"?>\n'
DOCUMENT = "<FLADeclaration>\n <Form>\u00e9</Form>\n</FLADeclaration>\n"


def looked_at(data: bytes, size: int, service: Description | None = FLA) -> list[str]:
    prolog = Prolog()
    for block in blocks(data, size):
        prolog.feed(block)
    return [a.code for a in prolog.anomalies(service)]


def codes(data: bytes, service: Description | None = FLA) -> list[str]:
    """The codes, the same however the bytes are cut."""
    found = {tuple(looked_at(data, size, service)) for size in SIZES}
    assert len(found) == 1, found
    return list(found.pop())


@pytest.mark.parametrize(
    "start",
    [
        "",
        DECLARATION.format("UTF-8"),
        DECLARATION.format("utf-8"),
        DECLARATION.format("US-ASCII"),
        '<?xml version="1.0"?>',
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
        "\ufeff",
        "\ufeff" + DECLARATION.format("UTF-8"),
        "\n\n<!-- <!DOCTYPE a> -->\n<?pi <!DOCTYPE a> ?>\n",
    ],
)
def test_an_ordinary_beginning_is_in_order(start: str) -> None:
    assert codes((start + DOCUMENT).encode()) == []


@pytest.mark.parametrize(
    "named",
    ["ISO-8859-1", "iso-8859-15", "windows-1252", "UTF-16", "UTF-7", "UTF-32", "EBCDIC-CP-BE", "x"],
)
def test_another_encoding_declared_is_138(named: str) -> None:
    assert codes((DECLARATION.format(named) + DOCUMENT).encode()) == ["138"]
    assert codes(("\ufeff" + DECLARATION.format(named) + DOCUMENT).encode()) == ["138"]


@pytest.mark.parametrize("used", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize(
    "declared", ["", DECLARATION.format("UTF-8"), DECLARATION.format("UTF-16")]
)
def test_another_encoding_used_is_138(used: str, declared: str) -> None:
    assert codes((declared + DOCUMENT).encode(used)) == ["138"]


def test_ebcdic_is_138() -> None:
    assert codes((DECLARATION.format("cp500") + DOCUMENT).encode("cp500")) == ["138"]


def test_another_encoding_is_seen_however_short_the_first_block_is() -> None:
    assert looked_at(DOCUMENT.encode("utf-16"), 1) == ["138"]


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE FLADeclaration>",
        "<!DOCTYPE\n\tFLADeclaration\n>",
        '<!DOCTYPE FLADeclaration SYSTEM "FLADeclaration.dtd">',
        "<!DOCTYPE FLADeclaration SYSTEM 'file:///dev/zero'>",
        '<!DOCTYPE FLADeclaration PUBLIC "-//A//B" "http://localhost/a.dtd">',
        "<!DOCTYPE FLADeclaration []>",
        "<!DOCTYPE FLADeclaration [<!ENTITY a 'b'>]>",
        "<!DOCTYPE FLADeclaration [<!ENTITY a SYSTEM 'file:///dev/zero'>]>",
        "<!DOCTYPE FLADeclaration [<!ENTITY % a SYSTEM 'http://localhost/'> %a;]>",
        "<!DOCTYPE FLADeclaration [<!ATTLIST Form a CDATA 'b'>]>",
        "<!DOCTYPE other [<!ELEMENT other ANY>]>",
    ],
)
@pytest.mark.parametrize("start", ["", "\ufeff", DECLARATION.format("UTF-8"), "<!-- a --><?b c?>"])
def test_any_doctype_is_003(start: str, doctype: str) -> None:
    assert codes((start + doctype + DOCUMENT).encode()) == ["003"]


def test_a_doctype_says_its_line() -> None:
    prolog = Prolog()
    prolog.feed(b"<?xml version='1.0'?>\n\n<!DOCTYPE a>")
    assert [a.line for a in prolog.anomalies(FLA)] == [3]


def test_a_doctype_is_003_whatever_the_service_is() -> None:
    assert codes(b"<!DOCTYPE a><a/>", None) == ["003"]


@pytest.mark.parametrize(
    "root",
    [
        "<Other>",
        "<fladeclaration>",
        "<Form>",
        '<FLADeclaration xmlns="urn:a">',
        '<f:FLADeclaration xmlns:f="urn:a">',
        '<html xmlns="http://www.w3.org/1999/xhtml">',
    ],
)
def test_another_root_or_a_namespace_is_089(root: str) -> None:
    assert codes(root.encode()) == ["089"]


def test_an_empty_default_namespace_is_no_namespace() -> None:
    """``xmlns=""`` declares none (Namespaces in XML, 6.2); the contract's schema takes it."""
    assert codes(b'<FLADeclaration xmlns=""><Form/></FLADeclaration>') == []


@pytest.mark.parametrize(
    "schema",
    [
        "FLADeclaration_20261.xsd",
        "./xsd/FLADeclaration_20261.xsd",
        "C:\\a\\FLADeclaration_20261.xsd",
    ],
)
def test_the_schema_may_stand_in_any_folder(schema: str) -> None:
    root = f'<FLADeclaration {XSI} xsi:noNamespaceSchemaLocation="{schema}">'
    assert codes(root.encode()) == []


@pytest.mark.parametrize(
    "schema", ["", "FLADeclaration.xsd", "FLADeclaration_20271.xsd", "FLADeclaration_20261.xsd.bak"]
)
def test_another_schema_is_088(schema: str) -> None:
    root = f'<FLADeclaration {XSI} xsi:noNamespaceSchemaLocation="{schema}">'
    assert codes(root.encode()) == ["088"]


def test_without_a_service_neither_root_nor_schema_is_judged() -> None:
    assert codes(b"<Other>", None) == []


@pytest.mark.parametrize(
    "junk", [b"", b"x", b"   ", b"<", b"</a>", b"\x00\x01", b"{}", b"<!doctype a>"]
)
def test_what_is_no_xml_is_never_taken_for_a_doctype_or_a_root(junk: bytes) -> None:
    assert set(codes(junk)) <= {"102", "138"}


def test_nothing_is_read_after_the_first_element() -> None:
    prolog = Prolog()
    prolog.feed(b"<FLADeclaration><Form>")
    assert prolog.done
    prolog.feed(b"<!DOCTYPE a> \xff\xfe <<<")
    assert list(prolog.anomalies(FLA)) == []


@pytest.mark.parametrize("version", ["", "1", "1.", "11.0", "2.0", ".1", "1.--0"])
def test_a_version_that_is_none_of_xml_1_is_no_xml(version: str) -> None:
    assert codes((f'<?xml version="{version}"?>' + DOCUMENT).encode()) == ["102"]


def test_a_root_that_does_not_come_is_given_up_and_not_read_again_and_again() -> None:
    """By counts: expat reads an unended token from its start with every block."""
    prolog, block = Prolog(), b"x" * (1 << 20)
    prolog.feed(b"<!--")
    fed = 0
    while not prolog.done:
        prolog.feed(block)
        fed += len(block)
    assert fed <= MAX_FORM_BYTES + len(block)
    for service in (None, FLA):
        assert [a.code for a in prolog.anomalies(service)] == ["184"]
