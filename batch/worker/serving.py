"""The services of this channel: how each is recognised, and the FLA bound to a transaction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batch import schemata
from batch.fla.service import describe, fla_service
from batch.ingest.services import Description, Limits, Service, Whole
from batch.routed import FLA, RoutedService, SignatureUse
from batch.routed import Replays as ReplayUse
from batch.settings import Settings
from batch.storage.database import Transaction
from batch.storage.ledger import SqlLedger


def descriptions(settings: Settings) -> tuple[Description, ...]:
    """Every service served, the FLA first. InstanceError names a schema that cannot be used."""
    brought = [_describe(n, s, settings.data) for n, s in settings.services.items()]
    served = (describe(settings), *brought)
    roots = frozenset(service.root for service in served)
    return tuple(replace(service, others=roots - {service.root}) for service in served)


def bind(name: str, settings: Settings, transaction: Transaction) -> Service:
    """The service ``name``, its records going into ``transaction``."""
    if name != FLA:
        raise LookupError(f"service {name} does not judge forms here")
    return fla_service(settings, SqlLedger(transaction))


def _describe(name: str, service: RoutedService, data: Path) -> Description:
    whole = Whole(
        schemas={known: schemata.brought(data / path) for known, path in service.schemas.items()},
        employer=tuple(service.employer.split("/")) if service.employer else (),
        identifications=frozenset(service.identifications),
    )
    return Description(
        name=name,
        codes=frozenset(service.codes),
        root=service.root,
        form=service.form,
        schemas=frozenset(whole.schemas),
        limits=Limits(
            service.max_bytes, service.max_forms, service.max_parts, service.min_form_bytes
        ),
        whole=whole,
        signed=service.signature is SignatureUse.REQUIRED,
        handed_over_once=service.replays is ReplayUse.REFUSED,
        qualities=frozenset(service.qualities),
    )
