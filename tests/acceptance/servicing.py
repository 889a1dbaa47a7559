"""An instance with services beside the FLA, as its senders and its destinations see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.services import form, message
from tests.acceptance.clients import Mail, OpenSsl, named, new_stem
from tests.acceptance.conftest import Registered
from tests.acceptance.instance import Instance
from tests.declarations import EMPLOYER, person


@dataclass
class Channel:
    """The instance that serves them, its senders, and where sets come out."""

    instance: Instance
    openssl: OpenSsl
    registered: Registered
    employer: Mail
    mandatary: Mail

    def place(self, name: str) -> Path:
        return self.instance.data / "handed" / name

    def send(self, code: str, fi: bytes, *, letter: str = "R", by: str = "employer") -> str:
        """Send a set of one part, signed where it must be; its stem."""
        sender = self.registered.employer if by == "employer" else self.registered.mandatary
        stem = new_stem(sender.number, letter, code)
        signed = letter == "R" and code != "LOIC"
        fs = self.openssl.sign(fi, sender) if signed else None
        mail = self.employer if by == "employer" else self.mandatary
        mail.put(named(stem, (fi, fs)), "IN" if letter == "R" else "INTEST")
        return stem

    def codes(self, stem: str, by: str = "employer") -> list[str]:
        """The codes of the one ACRF; a set of another service gets nothing else."""
        mail = self.employer if by == "employer" else self.mandatary
        box = mail.out if stem.endswith("R") else mail.outtest
        [receipt] = box.wait(stem, 1)
        return receipt.codes

    def handed(self, stem: str) -> dict[str, Any]:
        """What ``submission show`` says of its delivery, once it was handed over."""
        shown: list[dict[str, Any]] = []

        def done() -> bool:
            shown.append(self.instance.json("submission", "show", stem))
            found = shown[-1]["delivery"]
            return found is not None and found["delivered_at"] is not None

        until(done)
        return shown[-1]


def until(true: Callable[[], object], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "still not"
        time.sleep(0.1)


def dimona(*employers: str, worker: int = 0) -> bytes:
    """A message of its own for each number."""
    forms = (form(employer, person(910_000 + worker)) for employer in employers or (EMPLOYER,))
    return message("DIMN", *forms)
