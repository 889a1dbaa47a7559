"""Was this FI accepted before, or is it being handled right now? (invariant 6)

And, for words only: which FI that the channel sent before has these bytes.

A set in quarantine that was received well is still to be judged: it counts as being handled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine, bindparam, select

from batch.names import Kind
from batch.states import SetKey, Stage
from batch.storage.claims import Claim
from batch.storage.database import reading
from batch.storage.prepared import Prepared
from batch.storage.submission_tables import part, submission

_SAME = Prepared(
    select(part.c.sha256, part.c.accepted, submission.c.stem, submission.c.state)
    .join(submission, submission.c.id == part.c.submission_id)
    .where(
        part.c.sha256 == bindparam("digest"),
        submission.c.channel == bindparam("sender"),
        submission.c.id != bindparam("own"),
    )
)


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
    sender = str(taken.sealed.key.channel)
    accepted: dict[str, str] = {}
    in_flight: str | None = None
    with reading(engine) as connection:
        for digest, name in names.items():
            for row in _SAME.rows(connection, digest=digest, sender=sender, own=taken.id):
                if row.accepted:
                    accepted[name] = row.stem
                elif row.state in (Stage.VERIFIED, Stage.QUARANTINED):
                    in_flight = row.stem
    return Replays(accepted, in_flight)


def sent_before(engine: Engine, key: SetKey, sha256: str) -> str | None:
    """The name of an FI with these bytes that came well received by the same channel."""
    query = (
        select(part.c.name)
        .join(submission, submission.c.id == part.c.submission_id)
        .where(
            part.c.sha256 == sha256,
            submission.c.channel == str(key.channel),
            submission.c.key != str(key),
        )
        .order_by(submission.c.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        found: str | None = connection.scalar(query)
        return found
