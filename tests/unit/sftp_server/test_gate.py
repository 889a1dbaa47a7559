"""How many connections there may be, and who makes room."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import SenderNumber
from batch.settings import load
from batch.sftp_server.addresses import Addresses
from batch.sftp_server.gate import Gate, Stranger

ALICE, BOB = SenderNumber("000001"), SenderNumber("000002")


@dataclass
class Door:
    """A gate with six places, and those it closed."""

    gate: Gate = field(
        default_factory=lambda: Gate(
            load(max_connections=6, max_connections_per_sender=2, max_strangers_per_address=2),
            Addresses(1000.0, 20, 60.0, lambda: 0.0),
            6,
        )
    )
    closed: list[str] = field(default_factory=list)

    def arrives(self, name: str, address: str = "") -> Stranger | str:
        return self.gate.arrives(address or name, lambda _: self.closed.append(name))

    def enters(self, name: str, sender: SenderNumber) -> str | None:
        arrived = self.arrives(name)
        assert isinstance(arrived, Stranger)
        return self.gate.logs_in(arrived, sender)


def test_the_one_who_waited_longest_makes_room_for_the_next_stranger() -> None:
    door = Door()
    for name in "abcde":
        assert isinstance(door.arrives(name), Stranger)
    assert door.closed == ["a", "b"]
    assert door.gate.strangers == 3


def test_an_address_crowds_out_its_own_and_nobody_else() -> None:
    door = Door()
    for name in ("a", "b1", "b2", "b3", "b4"):
        assert isinstance(door.arrives(name, name[0]), Stranger)
    assert door.closed == ["b1", "b2"]


def test_who_logs_in_makes_room_for_the_next_stranger() -> None:
    door = Door()
    for name, sender in (("a", ALICE), ("b", ALICE), ("c", BOB)):
        assert door.enters(name, sender) is None
    for name in "def":
        assert isinstance(door.arrives(name), Stranger)
    assert door.closed == []


def test_senders_keep_their_places_when_all_are_taken() -> None:
    door = Door()
    for number in range(6):
        assert door.enters(str(number), SenderNumber(f"{number:06d}")) is None
    assert door.arrives("late") == "too many connections"
    door.gate.goes(SenderNumber("000003"))
    assert isinstance(door.arrives("later"), Stranger)
    assert door.closed == []


def test_a_sender_has_its_share_and_not_more() -> None:
    door = Door()
    answers = [door.enters(name, ALICE) for name in "abc"]
    assert answers[:2] == [None, None]
    assert "000001" in str(answers[2])
    door.gate.goes(ALICE)
    door.gate.goes(ALICE)
    assert door.enters("d", ALICE) is None


def test_only_who_tried_to_get_in_counts_as_failed() -> None:
    door = Door()
    for _ in range(30):
        silent = door.arrives("scanner", "quiet")
        assert isinstance(silent, Stranger)
        door.gate.leaves(silent, tried=False)
    for _ in range(20):
        trying = door.arrives("guesser", "loud")
        assert isinstance(trying, Stranger)
        door.gate.leaves(trying, tried=True)
    assert isinstance(door.arrives("scanner", "quiet"), Stranger)
    assert isinstance(door.arrives("guesser", "loud"), str)


@given(st.lists(st.sampled_from(["a", "b", "alice", "bob", "leaves", "goes"]), max_size=60))
def test_the_counts_never_go_astray(steps: list[str]) -> None:
    door = Door()
    waiting: list[Stranger] = []
    senders: list[SenderNumber] = []
    gone: set[int] = set()
    for number, step in enumerate(steps):
        if step in ("a", "b"):
            arrived = door.gate.arrives(step, lambda _, n=number: gone.add(n))  # type: ignore[misc]
            waiting += [arrived] if isinstance(arrived, Stranger) else []
        elif step in ("alice", "bob") and waiting:
            sender = ALICE if step == "alice" else BOB
            door.gate.logs_in(waiting.pop(), sender)
            senders.append(sender)
        elif step == "leaves" and waiting:
            door.gate.leaves(waiting.pop(0), tried=False)
        elif step == "goes" and senders:
            door.gate.goes(senders.pop())
        assert door.gate.senders.total() == len(senders)
        assert door.gate.strangers <= min(3, len(waiting))
        assert door.gate._of_address.total() == door.gate.strangers


def test_who_came_first_and_alone_stays_while_another_address_has_more() -> None:
    door = Door()
    for name, address in (("alone", "x"), ("a1", "a"), ("a2", "a"), ("b1", "b")):
        assert isinstance(door.arrives(name, address), Stranger)
    assert door.closed == ["a1"]


def test_a_sender_that_connects_for_each_file_is_never_refused() -> None:
    """25 connections a second for a minute, where 20 are allowed and 200 at once."""
    now = [0.0]
    door = Door()
    door.gate.addresses = Addresses(20.0, 5, 60.0, lambda: now[0])
    for _ in range(25 * 60):
        assert door.enters("sender", ALICE) is None
        door.gate.goes(ALICE)
        now[0] += 1 / 25


def test_a_sender_that_has_its_share_and_comes_again_and_again_meets_the_rate() -> None:
    door = Door()
    door.gate.addresses = Addresses(20.0, 5, 60.0, lambda: 0.0)
    for name in ("a", "b"):
        assert door.enters(name, ALICE) is None
    for _ in range(200):
        assert door.enters("more", ALICE) is not None
        door.gate.goes(ALICE)
    assert isinstance(door.arrives("more"), str)
