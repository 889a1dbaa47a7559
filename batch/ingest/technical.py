"""The technical verdict: a set that an operator gave up is refused unread, and so ends.

It stopped the worker too often, so nothing of its content is read again: reception refuses it
whole; where it was received well, the notification refuses each form it was found to hold, and
echoes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batch.anomalies import Anomaly, reception
from batch.ingest.answer import Handled
from batch.ingest.content import Tally
from batch.ingest.services import FormHeader, FormVerdict
from batch.states import Refused, Sealed, Verified

_WHY = "The set could not be handled and was removed by an operator."
_FORM = Anomaly("90059", "430", explanation=_WHY)


def refuse_set(sealed: Sealed) -> Refused:
    """The reception verdict of a set that was given up before it had one."""
    return Refused(sealed, sealed.environment, (reception("430", _WHY),))


def refuse_forms(
    verified: Verified, ticket: Callable[[int], str], tally: Tally
) -> Iterator[Handled]:
    """One refusal for each form counted at reception, in the parts' order; counted in ``tally``."""
    verdict = FormVerdict(FormHeader(), anomalies=(_FORM,))
    names = (part.file.name for part in verified.parts for _ in range(part.forms))
    for place, name in enumerate(names, start=1):
        tally.add(place, name, verdict.anomalies, accepted=False)
        yield Handled(name, ticket(place), verdict)
