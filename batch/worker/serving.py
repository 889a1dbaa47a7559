"""The services of this channel: how each is recognised, and how it is bound to a transaction."""

from __future__ import annotations

from batch.fla.service import describe, fla_service
from batch.ingest.services import Description, Service
from batch.settings import Settings
from batch.storage.database import Transaction
from batch.storage.ledger import SqlLedger


def descriptions(settings: Settings) -> tuple[Description, ...]:
    """Every service served, the FLA first."""
    return (describe(settings),)


def bind(name: str, settings: Settings, transaction: Transaction) -> Service:
    """The service ``name``, its records going into ``transaction``."""
    if name != describe(settings).name:
        raise LookupError(f"service {name} is not served here")
    return fla_service(settings, SqlLedger(transaction))
