"""Small sets, made and signed beforehand: an FI of some 5 kB, its FS, and a GO."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch.signing import certificate, encoding, signature
from fixtures.certificates import PKI
from tests.acceptance.clients import named, new_stem
from tests.acceptance.instance import Sender
from tests.declarations import EMPLOYER, declaration, person, right

FORMS = 6
"""Of one small FI: 5 kB of them."""
SMALL_BYTES = 5000

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Made:
    """Sets of one sender whose files lie ready in ``home``."""

    home: Path
    stems: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    """Names of each set's files in the order of sending."""

    def shares(self, count: int, folder: str) -> list[list[str]]:
        """The lines that send them by ``count`` connections into ``folder``."""
        lines = [[f"put {name} {folder}/{name}" for name in names] for names in self.files]
        return [[line for one in lines[n::count] for line in one] for n in range(count)]


def small(who: Sender, count: int, home: Path) -> Made:
    """``count`` sets whose every form is about a person of its own, so that all are accepted."""
    signer = signer_of(who)
    at = datetime.now(UTC)
    stems: list[str] = []
    files: list[tuple[str, ...]] = []
    for _ in range(count):
        fi = small_fi()
        stem = new_stem(who.number)
        fs = encoding.encode(signature.sign_with(signer, [fi], at))
        contents = named(stem, (fi, fs))
        for name, content in contents.items():
            (home / name).write_bytes(content)
        stems.append(stem)
        files.append(tuple(contents))
    return Made(home, tuple(stems), tuple(files))


def small_fi(employer: str = EMPLOYER) -> bytes:
    """An FI of ``FORMS`` rights of persons that no other has."""
    numbers = [next(_numbers) for _ in range(FORMS)]
    forms = [
        right(f"bench/{n:08d}", inss=person(n), number=n % FORMS, employer=employer)
        for n in numbers
    ]
    return declaration(*forms)


def employer(number: str = "000001") -> Sender:
    """The employer of the fixtures, who signs."""
    return Sender(number, "employer", PKI, PKI / "employer.key.pem", PKI / "employer.pem")


def signer_of(who: Sender) -> signature.KeySigner:
    """What signs with the sender's key."""
    key = signature.load_key(who.key.read_bytes())
    return signature.key_signer(key, certificate.read(who.certificate.read_bytes()))


def forget(homes: Sequence[Path]) -> None:
    """Remove what lay ready in memory."""
    for home in homes:
        for file in home.iterdir():
            file.unlink()
