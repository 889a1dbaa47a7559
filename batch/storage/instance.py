"""An instance: its directory, its databases, its lock. Made by ``init``, opened by all others."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from batch import journal
from batch.errors import Busy, InstanceError
from batch.settings import Settings
from batch.signing import certificate, signature
from batch.signing.institution import make_institution
from batch.storage import durable, file_system, migrations
from batch.storage.database import BUSY_SECONDS, engine_for
from batch.storage.host_keys import HostKeys
from batch.storage.layout import Layout
from batch.storage.spool import Spool
from batch.storage.token import token_signer

OWNER_SECONDS = 5.0
"""How long a starting server waits for a killed one's processes to be gone."""


@dataclass(frozen=True)
class Instance:
    """An open instance. Engines connect on first use, so a reader of one database opens one."""

    settings: Settings
    wait: float = BUSY_SECONDS

    @classmethod
    def open(
        cls, settings: Settings, *, wait: float = BUSY_SECONDS, serves: bool = False
    ) -> Instance:
        """Raise InstanceError when ``init`` has not made it, or made it with another version.

        ``wait``: seconds for which a locked database is asked again, then Busy. To one that
        ``serves``, a database that is away is no error: told, and taken up when it is back.
        """
        instance = cls(settings, wait)
        layout = instance.layout
        asked_later = (layout.databases, layout.posted, layout.hand)  # away, or not made yet
        for path in layout.directories():
            if not path.exists() and path not in asked_later:
                raise _no_instance(settings.data, path)
        for engine, path in (
            (instance.production, instance.production_path),
            (instance.test, instance.test_path),
        ):
            try:
                instance._must_have(path)
                migrations.check(engine)
            except Busy as fault:
                if not serves:
                    raise
                journal.problem(f"{path.name} is away; we begin without it", fault)
        return instance

    def _must_have(self, path: Path) -> None:
        """Raise Busy when a database that was made once is not there: it was moved away."""
        if _holds(path):
            return
        if not _holds(self.layout.institution_certificate):
            raise _no_instance(self.settings.data, path)
        raise Busy(
            f"{self.settings.data}: its database {path.name} is missing or empty; put it back "
            "(fla-batch init would begin an empty one)"
        )

    @classmethod
    def make(cls, settings: Settings, at: datetime) -> Instance:
        """Make what is missing, upgrade what is old; running it twice changes nothing."""
        instance = cls(settings)
        for path in instance.layout.directories():
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        file_system.check(instance.layout)
        for path in (instance.production_path, instance.test_path):
            engine = engine_for(path, create=True)
            migrations.upgrade(engine)
            engine.dispose()
        instance._make_keys(at)
        for path in instance.layout.directories():
            durable.sync_directory(path)
        return instance

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.settings.data)

    @cached_property
    def spool(self) -> Spool:
        return Spool.open(self.settings.data, self.settings)

    @property
    def production_path(self) -> Path:
        return self.layout.databases / "production.sqlite"

    @property
    def test_path(self) -> Path:
        return self.layout.databases / "test.sqlite"

    @cached_property
    def production(self) -> Engine:
        """Registers, and all that came in IN."""
        return engine_for(self.production_path, wait=self.wait, demand=migrations.OURS)

    @cached_property
    def test(self) -> Engine:
        """All that came in INTEST, apart from production's tables."""
        return engine_for(self.test_path, wait=self.wait, demand=migrations.OURS)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the instance for as long as this process and its children live.

        Raises InstanceError when another living process owns it.
        """
        descriptor = os.open(self.layout.instance_lock, os.O_CREAT | os.O_RDWR, 0o600)
        os.set_inheritable(descriptor, True)
        try:
            _lock_within(descriptor, OWNER_SECONDS, self.settings.data)
            yield
        finally:
            os.close(descriptor)

    def check_disk(self) -> None:
        """Raise SpoolFault where the file system will not do; tell of one that is in doubt."""
        file_system.check(self.layout)
        doubt = file_system.doubt(self.layout)
        if doubt is not None:
            journal.problem(doubt)

    def institution_signer(self) -> signature.Signer:
        """The institution's key, which signs every answer; one session with a token in all."""
        return self._signer

    @cached_property
    def _signer(self) -> signature.Signer:
        known = certificate.read(self.layout.institution_certificate.read_bytes())
        if self.settings.institution_key_uri is not None:
            return token_signer(self.settings.institution_key_uri, known)
        key = signature.load_key(self.layout.institution_key.read_bytes())
        return signature.key_signer(key, known)

    def _make_keys(self, at: datetime) -> None:
        layout = self.layout
        HostKeys(layout).make()
        if self.settings.institution_key_uri is not None:
            if not _holds(layout.institution_certificate):
                raise InstanceError(
                    f"{layout.institution_certificate}: put the certificate of the token's key "
                    "(institution_key_uri) here, in PEM, and repeat fla-batch init"
                )
            return
        if not (_holds(layout.institution_key) and _holds(layout.institution_certificate)):
            key, certificate = make_institution("FLA batch channel", at)
            durable.replace_file(layout.institution_key, key)
            durable.replace_file(layout.institution_certificate, certificate)
            layout.institution_certificate.chmod(0o444)


def _no_instance(data: Path, missing: Path) -> InstanceError:
    return InstanceError(
        f"{data}: no instance here ({missing.name} is missing); make it with: fla-batch init"
    )


def _holds(path: Path) -> bool:
    """Whether the file is there with something in it."""
    return path.exists() and path.stat().st_size > 0


def _lock_within(descriptor: int, seconds: float, data: Path) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InstanceError(
                    f"{data}: another living process owns this instance; stop it first"
                ) from None
            time.sleep(0.05)
