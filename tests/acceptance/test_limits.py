"""Limits that are settings, each with its own code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from batch.ingest.services import FEW_FORMS
from fixtures.declared import fs
from tests.acceptance.clients import Mail, named, new_stem
from tests.acceptance.conftest import Registered, Serving
from tests.declarations import declaration, person, right, rights


@pytest.mark.shows("ACRF-184")
def test_a_file_that_is_too_large_is_refused_while_it_is_sent_and_answered_when_copied(
    serving: Serving, registered: Registered
) -> None:
    fi = rights(20, prefix="R/limits")
    instance = serving(max_file_bytes=len(fi) - 1)
    instance.serve()
    stem = new_stem("000001")
    files = named(stem, (fi, fs(fi)))
    with Mail(instance, registered.employer) as mail:
        with (
            pytest.raises(OSError, match="larger than"),
            mail._sftp.open(f"/IN/FI.{stem}.1.1", "wb") as remote,
        ):
            remote.write(fi)
        assert mail.names("IN") == []
        for name, content in files.items():
            (instance.folder("000001", "IN") / name).write_bytes(content)
        assert mail.out.codes(stem) == ["ACRF-184"]
    for name, content in files.items():
        (instance.root / name).write_bytes(content)
    [found] = instance.command("check", *files, "--json").document
    assert [a["error_id"] for a in found["reception"]["anomalies"]] == ["ACRF-184"]


@pytest.mark.shows("ACRF-172")
def test_more_forms_than_a_file_of_this_size_can_hold_are_refused_unread(
    serving: Serving, registered: Registered
) -> None:
    """One form more is not the point: it is how little is in them."""
    instance = serving()
    instance.serve()
    with Mail(instance, registered.employer) as mail:
        for count, codes in ((FEW_FORMS, []), (FEW_FORMS + 1, ["ACRF-172"])):
            stem, fi = new_stem("000001"), declaration(*["<Form/>"] * count)
            mail.put(named(stem, (fi, fs(fi))))
            assert mail.out.codes(stem) == codes


@pytest.mark.shows("ACRF-126")
def test_how_old_a_date_may_be_is_a_setting(serving: Serving, registered: Registered) -> None:
    instance = serving(too_old_days=2)
    instance.serve()
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/Brussels")).date()
    with Mail(instance, registered.employer) as mail:
        for days, codes in ((2, []), (3, ["ACRF-126"])):
            day = today - timedelta(days=days)
            stem = f"FLAD.000001.{day:%Y%m%d}.00001.R"
            fi = declaration(right(f"R/limits/{days}", inss=person(760_000 + days)))
            mail.put(named(stem, (fi, fs(fi))))
            assert mail.out.codes(stem) == codes
