"""Services that operators bring: what an entry ``[services.NAME]`` of settings.toml says.

Such a set is received, verified and validated as a whole by the channel, answered by an ACRF and
handed to a destination; the content is judged there (docs/services.md).
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from batch.registers import Quality

FLA = "FLA"
"""The name of the service that is built in."""

NAME = re.compile(r"[A-Z][A-Z0-9-]{0,31}", re.ASCII)
"""Names of services: as long as the column that keeps them."""

OURS = ("ACRF", "NOTI")
"""Codes of the channel's own answers."""

PurposeCode = Annotated[str, Field(pattern=r"^[A-Z]{4}$")]
"""Second element of a file's name: four letters A-Z (contract, section 1)."""


class SignatureUse(StrEnum):
    """What a service says of FS in ``IN``."""

    REQUIRED = "required"
    NONE = "none"


class MandatesJudge(StrEnum):
    """Who asks whether the sender may speak for the employers in a file."""

    CHANNEL = "channel"
    DESTINATION = "destination"


class Replays(StrEnum):
    """What becomes of an FI that was handed over before under another name."""

    REFUSED = "refused"
    TAKEN = "taken"


class RoutedService(BaseModel):
    """One entry. Field descriptions are the documentation (docs/settings.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    codes: tuple[PurposeCode, ...] = Field(
        min_length=1, description="its purpose codes; no other service may have them"
    )
    root: str = Field(
        min_length=1, description="the root element of its files, which are in no namespace"
    )
    form: str = Field(
        "Form", min_length=1, description="the element under the root that counts as a form"
    )
    schemas: dict[str, Path] = Field(
        min_length=1,
        description="the XSD of each version, by the name that files give in "
        "noNamespaceSchemaLocation; paths start in the data directory",
    )
    identifications: tuple[str, ...] = Field(
        (), description="values of Identification in its forms; others are 158; empty: not asked"
    )

    max_bytes: int = Field(500_000_000, ge=1, description="largest FI; larger is 184")
    max_forms: int = Field(1_000_000, ge=1, description="forms in one FI; more is 275")
    max_parts: int = Field(9, ge=1, le=9, description="parts of a set; more is 128")
    min_form_bytes: int = Field(
        100,
        ge=1,
        description="more than 1,000 forms that are shorter than this on average are 172: they "
        "cannot hold what they must",
    )

    signature: SignatureUse = Field(
        SignatureUse.REQUIRED,
        description="none: an FS is 121, and only the login proves who sent the file",
    )
    qualities: tuple[Quality, ...] = Field(
        tuple(Quality), min_length=1, description="qualities of senders it takes; others are 427"
    )
    mandates: MandatesJudge = Field(
        MandatesJudge.DESTINATION,
        description="channel: the ACRF says 101, 155 or 230 for an employer in the file whom the "
        "sender may not speak for; destination: it judges by itself",
    )
    employer: str | None = Field(
        None,
        description="with mandates = channel, the path of the employer's enterprise number from "
        "the root on, as Form/EmployerId/CompanyID",
    )
    replays: Replays = Field(
        Replays.REFUSED,
        description="an FI that was handed over before under another name: refused with 133, or "
        "taken, where the destination knows doubles itself",
    )

    directory: Path | None = Field(
        None, description="where sets of IN are handed over, each as a directory of its own"
    )
    command: tuple[str, ...] | None = Field(
        None, min_length=1, description="or what is run for each, in such a directory"
    )
    test_directory: Path | None = Field(
        None, description="the same for sets of INTEST; with neither they are not handed over"
    )
    test_command: tuple[str, ...] | None = Field(
        None, min_length=1, description="the same for sets of INTEST"
    )
    command_seconds: float = Field(
        60.0, gt=0, description="a command that has not ended after this is killed and run again"
    )
    answers: Path | None = Field(
        None, description="a directory into which the service puts its answers"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.directory is None) == (self.command is None):
            raise ValueError("expected either a directory or a command")
        if self.test_directory is not None and self.test_command is not None:
            raise ValueError("expected a test_directory or a test_command, not both")
        if (self.mandates is MandatesJudge.CHANNEL) != (self.employer is not None):
            raise ValueError("employer goes with mandates = channel, and only with it")
        if self.employer is not None and "" in self.employer.split("/"):
            raise ValueError("employer: expected element names with / between them")
        return self

    def destination(self, *, test: bool) -> Path | tuple[str, ...] | None:
        """The directory or command that sets go to; None where tests are not handed over."""
        if test:
            return self.test_directory or self.test_command
        return self.directory or self.command


def names(services: dict[str, RoutedService]) -> tuple[str, ...]:
    """Every service that a channel can be granted, the FLA first."""
    return (FLA, *services)


def unsigned_codes(services: dict[str, RoutedService]) -> frozenset[str]:
    """Purpose codes of the services that take no signature."""
    unsigned = (s for s in services.values() if s.signature is SignatureUse.NONE)
    return frozenset(code for service in unsigned for code in service.codes)


def fault(services: dict[str, RoutedService], fla_codes: tuple[str, ...]) -> str | None:
    """Why these services cannot stand beside each other and the FLA; None when they can."""
    served = {**dict.fromkeys(OURS, "the channel's answers"), **dict.fromkeys(fla_codes, FLA)}
    for name, service in services.items():
        if name == FLA or not NAME.fullmatch(name):
            return f"{name!r} is no name of a service: expected A-Z, 0-9 and -, and not {FLA}"
        for code in service.codes:
            if code in served:
                return f"{name}: purpose code {code} belongs to {served[code]}"
            served[code] = name
    return None
