"""Answers of a service that judges elsewhere: from its directory into the outbox of a sender."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from batch import journal
from batch.dispatch import posting
from batch.dispatch.pauses import Pauses
from batch.errors import Busy, OperatorError, SpoolFault
from batch.identifiers import InvalidIdentifier, SenderNumber
from batch.names import Environment
from batch.signing.signature import Signer
from batch.storage import returns
from batch.storage.instance import Instance
from batch.storage.posts import Post

_NAME = re.compile(r"([0-9]{6})\.([A-Z]{4})\.([RTS])\.([0-9A-Za-z._-]{1,100})", re.ASCII)
"""Sender, purpose code, environment, and the service's own reference of the answer."""


@dataclass
class Returns:
    """Posts what a service has put into ``place``; the same name and bytes twice is one answer."""

    instance: Instance
    service: str
    place: Path
    signer: Signer
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    pauses: Pauses = field(default_factory=Pauses)

    def run(self) -> None:
        """Until ``stop``; the answer in hand is finished first."""
        while not self.stop.is_set():
            try:
                self.run_once()
                if self.pauses.over():
                    journal.mended(f"{self.service}: its answers are taken again")
            except (Busy, SpoolFault, OSError) as fault:
                self.pauses.failed()
                journal.problem(f"{self.service}: its answers cannot be taken for now", fault)
            self.stop.wait(self.pauses.seconds)

    def run_once(self) -> int:
        """Post every finished file; how many were posted. One that cannot be is set aside.

        A file that changes meanwhile holds no other up: the SpoolFault comes after the rest.
        """
        count, changed = 0, list[SpoolFault]()
        for file in returns.waiting(self.place):
            if self.stop.is_set():
                break
            try:
                posted = posting.post_answer(
                    self.instance, self.signer, self._meant(file.name), file, self.clock()
                )
            except OperatorError as error:
                aside = returns.refuse(file)
                journal.problem(f"{self.service}: an answer was set aside in {aside}: {error}")
                continue
            except SpoolFault as fault:
                changed.append(fault)
                continue
            returns.taken(file)
            journal.posted(posted.name, self.service)
            count += 1
        if changed:
            raise changed[0]
        return count

    def _meant(self, name: str) -> Post:
        found = _NAME.fullmatch(name)
        if found is None:
            raise OperatorError("its name is not SENDER.CODE.R|T|S.REFERENCE")
        number, code, letter, reference = found.groups()
        try:
            sender = SenderNumber.parse(number)
        except InvalidIdentifier as error:
            raise OperatorError(str(error)) from None
        return Post(sender, code, Environment(letter), reference, f"service {self.service}")
