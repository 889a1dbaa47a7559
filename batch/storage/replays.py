"""Was this FI accepted before, or is it being handled right now? (invariant 6)

A set in quarantine that was received well is still to be judged: it counts as being handled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from batch.names import Kind
from batch.states import Stage
from batch.storage.claims import Claim
from batch.storage.database import reading
from batch.storage.submission_tables import part, submission


@dataclass(frozen=True, slots=True)
class Replays:
    """``accepted``: FI name to the stem under which a form of these bytes was accepted;
    ``in_flight``: the stem of another set of the channel with the same FI, not yet judged."""

    accepted: dict[str, str] = field(default_factory=dict)
    in_flight: str | None = None


def replays(engine: Engine, taken: Claim) -> Replays:
    """Look up every FI of the set among the other sets of its channel."""
    names = {file.sha256: file.name for file in taken.sealed.of_kind(Kind.FI)}
    if not names:
        return Replays()
    query = (
        select(part.c.sha256, part.c.accepted, submission.c.stem, submission.c.state)
        .join(submission, submission.c.id == part.c.submission_id)
        .where(
            part.c.sha256.in_(list(names)),
            submission.c.channel == str(taken.sealed.key.channel),
            submission.c.id != taken.id,
        )
    )
    accepted: dict[str, str] = {}
    in_flight: str | None = None
    with reading(engine) as connection:
        for row in connection.execute(query):
            if row.accepted:
                accepted[names[row.sha256]] = row.stem
            elif row.state in (Stage.VERIFIED, Stage.QUARANTINED):
                in_flight = row.stem
    return Replays(accepted, in_flight)
