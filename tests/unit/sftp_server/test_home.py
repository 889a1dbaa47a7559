"""Paths, those made to get out included, and what the table of permissions says of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch.names import SAFE_NAME, Folder
from batch.permissions import OF_INBOX, OF_OUTBOX, TABLE, Operation, Spot, Why
from batch.sftp_server.home import (
    BAD_NAME,
    BAD_TEXT,
    ONLY_FOUR,
    EntryPlace,
    FolderPlace,
    Nowhere,
    Place,
    Root,
    locate,
    refusal,
    rename_refusal,
)
from batch.sftp_server.protocol import Status

FI = "FI.FLAD.000001.20261122.00001.R.1.1"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", Root()),
        ("/", Root()),
        (".", Root()),
        ("..", Root()),
        ("/../../..", Root()),
        ("IN", FolderPlace(Folder.IN)),
        ("/IN/", FolderPlace(Folder.IN)),
        ("//OUT/.", FolderPlace(Folder.OUT)),
        ("/IN/../INTEST", FolderPlace(Folder.INTEST)),
        ("/etc/../OUTTEST", FolderPlace(Folder.OUTTEST)),
        (f"/IN/{FI}", EntryPlace(Folder.IN, FI)),
        (f"IN/{FI}", EntryPlace(Folder.IN, FI)),
        (f"/../../IN/./{FI}/", EntryPlace(Folder.IN, FI)),
        (f"/OUT/{FI}.filepart", EntryPlace(Folder.OUT, f"{FI}.filepart")),
        ("/in", Nowhere(ONLY_FOUR)),
        ("/etc/passwd", Nowhere(ONLY_FOUR)),
        ("/etc", Nowhere(ONLY_FOUR)),
        (FI, Nowhere(ONLY_FOUR)),
        ("/IN/folder/file", Nowhere(ONLY_FOUR)),
        ("/IN/.hidden", Nowhere(BAD_NAME)),
        ("/IN/-rf", Nowhere(BAD_NAME)),
        ("/IN/a b", Nowhere(BAD_NAME)),
        ("/IN/a\\b", Nowhere(BAD_NAME)),
        ("/IN/a~1", Nowhere(BAD_NAME)),
        ("/IN/é", Nowhere(BAD_NAME)),
        ("/IN/...", Nowhere(BAD_NAME)),
        ("/IN/" + "x" * 100, EntryPlace(Folder.IN, "x" * 100)),
        ("/IN/" + "x" * 101, Nowhere(BAD_NAME)),
        ("/IN/a\0", Nowhere(BAD_TEXT)),
        ("/IN/a\nb", Nowhere(BAD_TEXT)),
        ("/IN/\x1b[31m", Nowhere(BAD_TEXT)),
        ("/IN/a\n/../../OUT", Nowhere(BAD_TEXT)),
    ],
)
def test_a_path_is_read_as(path: str, place: Place) -> None:
    assert locate(path.encode()) == place


def test_bytes_that_are_no_text_name_nothing() -> None:
    for path in (b"/IN/\xff", b"\xc0\xae\xc0\xae/", b"/IN/\xed\xa0\x80"):
        assert locate(path) == Nowhere(BAD_TEXT)


HOSTILE = st.lists(
    st.sampled_from(
        ["..", ".", "", "/", "IN", "OUT", "INTEST", "OUTTEST", "in", FI, "000002", "etc", "~",
         "..\\", "%2e%2e", "\0", "\n", "IN\0", "．．", "a" * 101, ".hidden", "x"]
    )
    | st.text(max_size=8),
    max_size=12,
).map("/".join)  # fmt: skip


@given(HOSTILE.map(lambda path: path.encode("utf-8", "surrogatepass")) | st.binary(max_size=120))
@example(b"/IN/../../../../etc/passwd")
@example(b"//////")
def test_no_path_leads_anywhere_but_to_a_safe_name_in_one_of_four_folders(path: bytes) -> None:
    match locate(path):
        case EntryPlace(folder, name) as place:
            assert folder in Folder
            assert SAFE_NAME.fullmatch(name)
            assert "/" not in name
            assert locate(str(place).encode()) == place
        case (FolderPlace() | Root()) as place:
            assert locate(str(place).encode()) == place
        case Nowhere(reason):
            assert reason in (BAD_NAME, BAD_TEXT, ONLY_FOUR)


@given(st.from_regex(SAFE_NAME, fullmatch=True), st.sampled_from(list(Folder)))
def test_every_safe_name_can_be_named(name: str, folder: Folder) -> None:
    assert locate(f"/{folder}/{name}".encode()) == EntryPlace(folder, name)


PLACES: list[Place] = [
    Root(),
    *map(FolderPlace, Folder),
    *(EntryPlace(folder, "x") for folder in Folder),
    Nowhere("because"),
]
TEXTS = {
    Why.NOT_THERE: Status.NO_SUCH_FILE,
    Why.THERE_ALREADY: Status.FAILURE,
    Why.WRONG_KIND: Status.FAILURE,
    Why.DENIED: Status.PERMISSION_DENIED,
}


def spots(place: Place) -> tuple[Spot, ...]:
    """What may stand at a place."""
    match place:
        case Root():
            return (Spot.ROOT,)
        case FolderPlace(folder):
            return (Spot.INBOX if folder.is_inbox else Spot.OUTBOX,)
        case EntryPlace(folder, _):
            return OF_INBOX if folder.is_inbox else OF_OUTBOX
        case Nowhere():
            return (Spot.NOWHERE,)


@pytest.mark.parametrize(("operation", "place"), list(itertools.product(Operation, PLACES)))
def test_a_path_is_refused_what_the_table_refuses_in_every_state(
    operation: Operation, place: Place
) -> None:
    cells = [TABLE[operation][spot] for spot in spots(place)]
    found = refusal(operation, place)
    if None in cells:
        assert found is None
    else:
        assert found is not None
        assert found.status in {TEXTS[cell.why] for cell in cells if cell is not None}
        assert found.text
        assert "/" not in found.text


def test_what_is_nowhere_says_why() -> None:
    found = refusal(Operation.UPLOAD, Nowhere("because"))
    assert found is not None
    assert found.text == "because"


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(("old", "new"), list(itertools.product(PLACES, PLACES)), ids=str)
def test_a_rename_stays_inside_one_inbox(old: Place, new: Place, replace: bool) -> None:
    allowed = (
        isinstance(old, EntryPlace)
        and isinstance(new, EntryPlace)
        and old.folder is new.folder
        and old.folder.is_inbox
    )
    assert (rename_refusal(old, new, replace=replace) is None) is allowed
