"""From verified to ingested: form by form through the service, in the order of the FI."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from batch.anomalies import Anomaly
from batch.ingest.answer import Handled
from batch.ingest.plain import Given, forms
from batch.ingest.services import ContentFacts, Service
from batch.states import Part, Verified

_TICKETS = 5_000
"""Tickets remembered: a service asks for those of a chunk of forms before they are written."""

Blocks = Callable[[Part], Iterable[bytes]]


@dataclass(slots=True)
class Tally:
    """What came of a set so far; ``findings`` keeps the first ones with their form's place."""

    keep: int
    accepted: int = 0
    refused: int = 0
    accepted_by_part: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[int | None, Anomaly]] = field(default_factory=list)

    def add(self, place: int, part_name: str, anomalies: Sequence[Anomaly], accepted: bool) -> None:
        if accepted:
            self.accepted += 1
            self.accepted_by_part[part_name] = self.accepted_by_part.get(part_name, 0) + 1
        else:
            self.refused += 1
        if anomalies:
            self.findings.extend((place, a) for a in anomalies if len(self.findings) < self.keep)


def handle(
    verified: Verified, service: Service, facts: ContentFacts, blocks: Blocks, tally: Tally
) -> Iterator[Handled]:
    """Judge every form of every part; one Handled each, counted in ``tally`` as it passes.

    The stream was read whole at reception: a Malformed here is a fault, not a verdict.
    """
    standing_in: deque[str] = deque()
    ticket = lru_cache(maxsize=_TICKETS)(facts.ticket)
    facts = replace(facts, ticket=ticket)

    def all_forms() -> Iterator[tuple[str, Given]]:
        name, plain = service.description.form, service.description.plain
        for part in verified.parts:
            for form in forms(blocks(part), name, plain):
                standing_in.append(part.file.name)
                yield part.file.name, form

    for place, verdict in enumerate(service.judge(all_forms(), facts), start=1):
        part_name = standing_in.popleft()
        tally.add(place, part_name, verdict.anomalies, verdict.accepted)
        yield Handled(part_name, ticket(place), verdict)
