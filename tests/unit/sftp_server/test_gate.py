"""How many connections there may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import SenderNumber
from batch.settings import load
from batch.sftp_server.gate import Gate

ALICE, BOB = SenderNumber("000001"), SenderNumber("000002")


def gate() -> Gate:
    return Gate(load(max_connections=6, max_connections_per_sender=2))


def test_strangers_get_half_of_the_places() -> None:
    held = gate()
    assert [held.arrives() is None for _ in range(5)] == [True, True, True, False, False]
    held.leaves(None)
    assert held.arrives() is None


def test_who_logs_in_makes_room_for_the_next_stranger() -> None:
    held = gate()
    for sender in (ALICE, ALICE, BOB):
        assert held.arrives() is None
        assert held.logs_in(sender) is None
    assert [held.arrives() is None for _ in range(4)] == [True, True, True, False]


def test_a_sender_has_its_share_and_not_more() -> None:
    held = gate()
    answers = []
    for _ in range(3):
        assert held.arrives() is None
        answers.append(held.logs_in(ALICE))
    assert answers[:2] == [None, None]
    assert "000001" in str(answers[2])
    held.leaves(ALICE)
    held.leaves(ALICE)
    assert held.arrives() is None
    assert held.logs_in(ALICE) is None


@given(st.lists(st.sampled_from(["arrives", "alice", "bob", "leaves"]), max_size=60))
def test_the_counts_never_go_astray(steps: list[str]) -> None:
    held = gate()
    strangers = 0
    senders: list[SenderNumber] = []
    for step in steps:
        if step == "arrives" and held.arrives() is None:
            strangers += 1
        elif step in ("alice", "bob") and strangers:
            sender = ALICE if step == "alice" else BOB
            held.logs_in(sender)
            strangers, senders = strangers - 1, [*senders, sender]
        elif step == "leaves" and senders:
            held.leaves(senders.pop())
        elif step == "leaves" and strangers:
            held.leaves(None)
            strangers -= 1
        assert held.strangers == strangers <= 3
        assert held.senders.total() == len(senders)
        assert strangers + len(senders) <= 6
