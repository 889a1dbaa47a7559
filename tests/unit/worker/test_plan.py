"""Who is next: no channel waits for another's queue, and no set is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from batch.identifiers import SenderNumber
from batch.names import Folder
from batch.states import SetKey
from batch.worker.plan import Queue, Waiting


def waiting(channel: int, number: int, since: float = 0.0, folder: Folder = Folder.IN) -> Waiting:
    sender = SenderNumber.parse(str(channel))
    stem = f"FLAD.{sender}.20260120.{number:05d}.R"
    return Waiting(SetKey(sender, folder, stem, 1), since)


def in_fair_order(found: Iterable[Waiting]) -> Iterator[SetKey]:
    queue = Queue()
    queue.add(found)
    while item := queue.take():
        yield item.key
    assert not queue.names


def test_one_set_is_among_the_first_two_however_many_another_channel_has() -> None:
    """A mandatary with 10,000 waiting sets does not hold up an employer with one."""
    many = [waiting(1, number, since=float(number)) for number in range(1, 10_001)]
    one = waiting(2, 1, since=99_999.0)
    for queue in ([*many, one], [one, *many], [*many[:5000], one, *many[5000:]]):
        assert one.key in list(islice(in_fair_order(queue), 2))


def test_a_channel_s_own_sets_come_in_order_of_sealing() -> None:
    queue = [waiting(1, 1, 30.0), waiting(1, 2, 10.0), waiting(1, 3, 20.0)]
    assert list(in_fair_order(queue)) == [queue[1].key, queue[2].key, queue[0].key]


def test_sets_sealed_at_the_same_instant_have_an_order_all_the_same() -> None:
    queue = [waiting(1, n) for n in (3, 1, 2)]
    assert list(in_fair_order(queue)) == list(in_fair_order(reversed(queue)))


def test_nothing_waiting_is_nothing_to_do() -> None:
    assert list(in_fair_order([])) == []


QUEUES = st.lists(
    st.builds(
        waiting,
        channel=st.integers(1, 5),
        number=st.integers(1, 99_999),
        since=st.floats(0, 100, allow_nan=False),
        folder=st.sampled_from([Folder.IN, Folder.INTEST]),
    ),
    unique_by=lambda w: w.key,
    max_size=40,
)


@given(QUEUES)
def test_every_set_has_its_turn_once(queue: list[Waiting]) -> None:
    order = list(in_fair_order(queue))
    assert len(order) == len(queue)
    assert set(order) == {w.key for w in queue}


@given(QUEUES)
def test_between_two_turns_of_a_channel_every_other_that_waits_has_one(
    queue: list[Waiting],
) -> None:
    order = list(in_fair_order(queue))
    for place, key in enumerate(order):
        later = [n for n in range(place + 1, len(order)) if order[n].channel == key.channel]
        if not later:
            continue
        between = {k.channel for k in order[place + 1 : later[0]]}
        still_waiting = {k.channel for k in order[later[0] :]} - {key.channel}
        assert still_waiting <= between


@given(QUEUES)
def test_within_a_channel_nobody_overtakes(queue: list[Waiting]) -> None:
    since = {w.key: w.since for w in queue}
    last: dict[SenderNumber, float] = {}
    for key in in_fair_order(queue):
        assert since[key] >= last.get(key.channel, 0.0)
        last[key.channel] = since[key]


@given(QUEUES.filter(bool))
def test_no_first_turn_comes_after_as_many_turns_as_there_are_channels(
    queue: list[Waiting],
) -> None:
    channels = {w.key.channel for w in queue}
    assert {key.channel for key in islice(in_fair_order(queue), len(channels))} == channels


def test_a_newcomer_is_next_after_the_channels_that_wait() -> None:
    queue = Queue()
    queue.add(waiting(1, number, since=float(number)) for number in range(1, 10_001))
    for _ in range(64):
        assert queue.take()
    queue.add([one := waiting(2, 1, since=99_999.0)])
    assert one in (queue.take(), queue.take())


def test_what_waits_already_is_not_queued_twice() -> None:
    queue = Queue()
    for _ in range(2):
        queue.add([waiting(1, 1, 10.0), waiting(1, 2, 20.0)])
    assert [queue.take(), queue.take()] == [waiting(1, 1, 10.0), waiting(1, 2, 20.0)]
    assert queue.take() is None


@given(QUEUES, st.integers(0, 40))
def test_what_is_put_back_is_next_in_the_same_order(queue: list[Waiting], count: int) -> None:
    wanted = list(in_fair_order(queue))
    made = Queue()
    made.add(queue)
    taken = [item for _ in range(count) if (item := made.take())]
    made.put_back(taken)
    after = [item.key for _ in range(len(queue)) if (item := made.take())]
    assert after[: len(taken)] == wanted[: len(taken)]
    assert sorted(after) == sorted(wanted)
    assert made.take() is None
