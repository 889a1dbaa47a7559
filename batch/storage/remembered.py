"""The registers as the worker asks them: for each set anew, and read again only when they changed.

Every change of an operator leaves an event behind; while the last one is the same, so is every
answer. To ask for that costs a fraction of the five statements that a channel takes. A step of a
set, which has some ten questions, asks for it once: so its verdict has one state of the registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar, cast

from sqlalchemy import Engine

from batch.identifiers import EnterpriseNumber, SenderNumber
from batch.registers import Channel, Enterprise, Mandate
from batch.signing.revocation import Sources
from batch.storage.database import reading
from batch.storage.register_files import TrustKind
from batch.storage.registers import Registers, latest_change

KEPT = 20_000
"""Answers kept at once, about 1 kB each: the channels, employers and mandates of a busy day."""

_Answer = TypeVar("_Answer")


class RememberedRegisters(Registers):
    """Answers as ``Registers`` does, as they stand when it is asked; of one thread."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._as_of = -1
        self._answers: dict[object, object] = {}
        self._still = False

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """In here every answer is as the registers stand now, whatever comes meanwhile."""
        with reading(self._engine) as connection:
            self._forget_if_after(latest_change(connection))
            self._shelf.look(connection)
        self._still = True
        try:
            yield
        finally:
            self._still = False

    def enterprise(self, number: EnterpriseNumber) -> Enterprise | None:
        return self._remembered(number, lambda: super(RememberedRegisters, self).enterprise(number))

    def channel(self, sender: SenderNumber) -> Channel | None:
        return self._remembered(sender, lambda: super(RememberedRegisters, self).channel(sender))

    def mandates_between(
        self, employer: EnterpriseNumber, mandatary: EnterpriseNumber
    ) -> list[Mandate]:
        key = (employer, mandatary)
        ask = super().mandates_between
        return self._remembered(key, lambda: ask(employer, mandatary))

    def trust_anchors(self) -> list[bytes]:
        if self._still:
            return self._shelf.known_certificates(TrustKind.CERTIFICATE)
        return super().trust_anchors()

    def intermediates(self) -> list[bytes]:
        if self._still:
            return self._shelf.known_certificates(TrustKind.INTERMEDIATE)
        return super().intermediates()

    def sources(self, certificates: Iterable[str], at: datetime) -> Sources:
        wanted = tuple(certificates)
        known = self._shelf.known_sources(wanted, at) if self._still else None
        return super().sources(wanted, at) if known is None else known

    def _remembered(self, key: object, ask: Callable[[], _Answer]) -> _Answer:
        if not self._still:
            self._forget_if_after(self.latest_change())
        if key not in self._answers:
            if len(self._answers) >= KEPT:
                self._answers.clear()
            self._answers[key] = ask()
        return cast(_Answer, self._answers[key])

    def _forget_if_after(self, latest: int) -> None:
        if latest != self._as_of:
            self._as_of = latest
            self._answers.clear()
