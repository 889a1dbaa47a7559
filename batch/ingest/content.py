"""From verified to ingested: form by form through the service, in the order of the FI."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lxml.etree import _Element

from batch.anomalies import Anomaly
from batch.ingest.answer import Handled
from batch.ingest.forms import forms
from batch.ingest.services import ContentFacts, Service
from batch.states import Part, Verified

Blocks = Callable[[Part], Iterable[bytes]]


@dataclass(slots=True)
class Tally:
    """What came of a set so far; ``findings`` keeps the first ones with their form's place."""

    keep: int
    accepted: int = 0
    refused: int = 0
    accepted_by_part: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[int | None, Anomaly]] = field(default_factory=list)

    def add(self, place: int, part_name: str, anomalies: Iterable[Anomaly], accepted: bool) -> None:
        if accepted:
            self.accepted += 1
            self.accepted_by_part[part_name] = self.accepted_by_part.get(part_name, 0) + 1
        else:
            self.refused += 1
        self.findings.extend((place, a) for a in anomalies if len(self.findings) < self.keep)


def handle(
    verified: Verified, service: Service, facts: ContentFacts, blocks: Blocks, tally: Tally
) -> Iterator[Handled]:
    """Judge every form of every part; one Handled each, counted in ``tally`` as it passes.

    The stream was read whole at reception: a Malformed here is a fault, not a verdict.
    """
    standing_in: deque[str] = deque()

    def all_forms() -> Iterator[tuple[str, _Element]]:
        for part in verified.parts:
            for element in forms(blocks(part), service.description.form):
                standing_in.append(part.file.name)
                yield part.file.name, element

    for place, verdict in enumerate(service.judge(all_forms(), facts), start=1):
        part_name = standing_in.popleft()
        tally.add(place, part_name, verdict.anomalies, verdict.accepted)
        yield Handled(part_name, facts.ticket(place), verdict)
