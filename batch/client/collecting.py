"""Wait for the answers of sent sets: the ACRF by the set's name, then the NOTI by its ticket.

An answer is read only when its GO is there. Nothing in its name points back, and OUT holds the
answers of others too, so files are opened until ours is found: first those that came after
sending. Only when none of them concerns the set are the older ones opened, because a repeat of
a set that was answered before gets no new answer (contract, section 3).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import paramiko

from batch.client.answers import Notice, Proof, Receipt
from batch.client.connection import Line, persevere
from batch.client.mailbox import Mailbox, Wish
from batch.errors import Busy
from batch.names import Folder

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_SETTLE_SECONDS = 8.0
"""How long only new answers are looked at: more than the channel's grace at GO (5 s)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A set whose answers are waited for; ``folder`` is the inbox it was sent to."""

    stem: str
    folder: Folder


class Verdict(StrEnum):
    """What came of a set."""

    ACCEPTED = "accepted"
    RECEIVED = "received"
    PARTLY = "partly"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that is known of one set when the waiting ended."""

    stem: str
    receipt: Receipt | None
    notice: Notice | None
    receipt_only: bool = False

    @property
    def complete(self) -> bool:
        """A negative ACRF is the only answer; a positive one is followed by a NOTI."""
        if self.receipt is None:
            return False
        return not self.receipt.accepted or self.notice is not None or self.receipt_only

    @property
    def verdict(self) -> Verdict:
        """A wrong signature outweighs what the answer says."""
        if Proof.WRONG in (a.proof for a in (self.receipt, self.notice) if a is not None):
            return Verdict.UNPROVEN
        if self.receipt is None:
            return Verdict.UNANSWERED
        if not self.receipt.accepted:
            return Verdict.REFUSED
        if self.notice is None:
            return Verdict.RECEIVED if self.receipt_only else Verdict.UNANSWERED
        if not self.notice.refused:
            return Verdict.ACCEPTED
        return Verdict.PARTLY if self.notice.accepted else Verdict.REFUSED


def answers_listed(
    sftp: paramiko.SFTPClient, inboxes: Iterable[Folder]
) -> dict[Folder, frozenset[str]]:
    """Names lying in the outboxes of ``inboxes`` now; ask before sending."""
    outboxes = {inbox.answers for inbox in inboxes}
    return {outbox: frozenset(sftp.listdir(f"/{outbox}")) for outbox in outboxes}


def wait_answers(
    line: Line,
    questions: Sequence[Question],
    before: Mapping[Folder, frozenset[str]],
    wish: Wish,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Look into OUT (OUTTEST) until every question is answered or the time is up.

    ``before`` are the names listed before sending. A lost connection is made anew; when that
    does not succeed in time the outcome is what is known by then. Raise HostKeyRefused when
    another server answers, and OSError when an answer cannot be saved.
    """
    boxes = [
        Mailbox(
            outbox,
            [q.stem for q in questions if q.folder.answers is outbox],
            before.get(outbox, frozenset()),
            wish,
        )
        for outbox in dict.fromkeys(q.folder.answers for q in questions)
    ]
    try:
        _look_until_complete(line, boxes, wish.timeout, on_trouble)
    except Busy as error:
        on_trouble(str(error))
    for box in boxes:
        for go in box.unreadable:
            on_trouble(f"{go}: the answer cannot be read")
    found = {stem: box for box in boxes for stem in box.stems}
    return tuple(
        Outcome(
            q.stem,
            found[q.stem].receipts.get(q.stem),
            found[q.stem].notice_of(q.stem),
            wish.receipt_only,
        )
        for q in questions
    )


def _look_until_complete(
    line: Line, boxes: Sequence[Mailbox], timeout: float, on_trouble: Callable[[str], None]
) -> None:
    start = time.monotonic()
    deadline = start + timeout
    pause = _FIRST_PAUSE

    def look(sftp: paramiko.SFTPClient) -> bool:
        earlier = time.monotonic() - start >= min(_SETTLE_SECONDS, timeout / 2)
        open_boxes = [box for box in boxes if not box.complete]
        return sum(box.look(sftp, earlier) for box in open_boxes) > 0

    while True:
        found = persevere(line, look, deadline, on_trouble)
        left = deadline - time.monotonic()
        if left <= 0 or all(box.complete for box in boxes):
            return
        if found:
            pause = _FIRST_PAUSE
            continue
        time.sleep(min(pause, left))
        pause = min(1.5 * pause, _LONGEST_PAUSE)
