"""What commands say of ends: days left, the warning that is reached, what is not known yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from batch.cli import output
from batch.registers import Channel, warning_of
from batch.storage import standing
from batch.storage.register_files import Trusted
from batch.storage.registers import Registers

_MARKED = {"certificate_days_left": "certificate_warning", "days_left": "warning"}


def of_channel(held: Channel, at: datetime) -> dict[str, Any]:
    """Days until a channel's last certificate ends, and until it first has none to sign with.

    The two differ where certificates do not follow one another without a gap.
    """
    ends = [c.not_after for c in held.certificates if c.valid.until is None or c.valid.until > at]
    gap = held.first_gap(at)
    return {
        "days_left": (max(ends) - at).days if ends else None,
        "certificate_days_left": None if gap is None else (gap - at).days,
        "certificate_warning": None if gap is None else warning_of(gap - at),
    }


def of_trust(entry: Trusted, at: datetime) -> dict[str, Any]:
    """The same of a CA's certificate or a revocation list."""
    begins, ends = standing.life_of(entry)
    if ends is None:
        return {"ends_at": None, "days_left": None, "warning": None}
    warning = warning_of(ends - at, standing.warned_life(entry, begins, ends))
    return {"ends_at": ends, "days_left": (ends - at).days, "warning": warning}


def coloured(facts: Mapping[str, Any], name: str) -> str | None:
    """The cell of ``name`` where it tells of a near end, in the colour of its nearness."""
    warning = facts.get(_MARKED.get(name, ""))
    if warning is None:
        return None
    return output.Marked(str(facts[name]), "bold red" if warning <= 7 else "yellow")


def unknown(registers: Registers, held: Channel, at: datetime) -> list[str]:
    """What the verdict will have to look up; told on stderr too, and nobody is refused for it."""
    words = standing.unknown(registers, held, at)
    for text in words:
        output.errors.print(
            f"warning: not known yet whether it is revoked: {text} It is registered; serve looks "
            "it up, and sets wait till then"
        )
    return words
