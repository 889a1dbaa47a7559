"""Contents of the ledger as rows, and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Row, Table

from batch.fla.forms import (
    Content,
    Nature,
    RightType,
    RightUse,
    Training,
    TrainingRight,
    TrainingStatus,
)

_MAKING = {"operation", "status", "submission_id", "form_ticket", "recorded_at"}


def content_of(table: Table) -> list[Column[Any]]:
    """The columns of a table of versions but those that say how a version was made."""
    return [column for column in table.c if column.name not in _MAKING]


def content_columns(content: Content) -> dict[str, object]:
    """The columns of a version that hold its content."""
    if isinstance(content, TrainingRight):
        return {
            "right_type": content.type.value,
            "calendar_year": content.year,
            "hours": content.hours,
            "joint_committee": content.joint_committee,
            "agreement": content.agreement,
        }
    used = {use.type: use.hours for use in content.uses}
    return {
        "name": content.name,
        "nature": content.nature.value,
        "training_status": content.status.value,
        "starting_date": content.starting,
        "ending_date": content.ending,
        "hours": content.hours,
        "counts_for_credit": content.counts_for_credit,
        "used_legal": used.get(RightType.LEGAL),
        "used_sector": used.get(RightType.SECTOR),
        "used_employer": used.get(RightType.EMPLOYER),
        "provider_number": content.provider_number,
        "provider_name": content.provider_name,
        "certificate_date": content.certificate_date,
        "certificate_until": content.certificate_until,
    }


def right_of(row: Row[Any]) -> TrainingRight:
    """The content of a row of ``training_right``."""
    return TrainingRight(
        type=RightType(row.right_type),
        year=row.calendar_year,
        hours=row.hours,
        joint_committee=row.joint_committee,
        agreement=row.agreement,
    )


def training_of(row: Row[Any]) -> Training:
    """The content of a row of ``training``."""
    used = (
        (RightType.LEGAL, row.used_legal),
        (RightType.SECTOR, row.used_sector),
        (RightType.EMPLOYER, row.used_employer),
    )
    return Training(
        name=row.name,
        nature=Nature(row.nature),
        status=TrainingStatus(row.training_status),
        starting=row.starting_date,
        ending=row.ending_date,
        hours=row.hours,
        counts_for_credit=row.counts_for_credit,
        uses=tuple(RightUse(right, hours) for right, hours in used if hours is not None),
        provider_number=row.provider_number,
        provider_name=row.provider_name,
        certificate_date=row.certificate_date,
        certificate_until=row.certificate_until,
    )
