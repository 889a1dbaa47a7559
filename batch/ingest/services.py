"""What a service must give the channel, and what it gets. The FLA is one service.

The channel knows a service by its purpose codes. It hands the forms of a set that passed
reception to the FLA and writes one NOTI form per verdict that comes back, in the same order. A
file of any other service is validated as a whole and judged where it is handed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from lxml import etree

from batch.anomalies import Anomaly
from batch.identifiers import EnterpriseNumber, NssoNumber
from batch.ingest.plain import Given
from batch.names import Environment
from batch.registers import Enterprise, Quality, Standing


class FormHeader(NamedTuple):
    """The official header of a form, to be echoed; None where absent or not fit to be echoed.

    Of this and what follows a file may have a million: named tuples are made four times as fast as
    frozen dataclasses.
    """

    identification: str | None = None
    creation_date: str | None = None
    creation_hour: str | None = None
    attestation_status: str | None = None
    type_form: str | None = None


class Reference(NamedTuple):
    """A sender's Reference block (90082), echoed as given."""

    type: str
    origin: str
    number: str


class ResultField(NamedTuple):
    """One element of a service's result: tag, text, attributes."""

    tag: str
    text: str
    attributes: tuple[tuple[str, str], ...] = ()


class FormVerdict(NamedTuple):
    """What came of one form. Accepted when no anomaly blocks; ``result`` only then.

    ``employer`` (ten digits) and ``inss`` (eleven) are echoed as declared, also where their check
    digits are wrong: the sender finds the form by them.
    """

    header: FormHeader
    references: tuple[Reference, ...] = ()
    employer: str | None = None
    nsso: NssoNumber | None = None
    inss: str | None = None
    user_reference: str | None = None
    anomalies: tuple[Anomaly, ...] = ()
    result_name: str | None = None
    result: tuple[ResultField, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.anomalies or not any(a.blocks for a in self.anomalies)

    def __repr__(self) -> str:
        """Without the INSS, nor what might hold one."""
        return f"FormVerdict({self.header!r}, accepted={self.accepted}, ...)"


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """What a service may know about the set it judges.

    ``employer`` finds an enterprise in the register (None: unknown); ``speaks`` says whether
    the sender may speak for it at the sealing instant ``at``; ``ticket(n)`` is the ticket of
    the n-th form of the set (1-based); ``today`` is the Brussels day of ``at``.
    """

    at: datetime
    environment: Environment
    submission: int
    employer: Callable[[EnterpriseNumber], Enterprise | None]
    speaks: Callable[[EnterpriseNumber], Standing]
    ticket: Callable[[int], str]


FEW_FORMS = 1_000
"""So many are judged one by one however short they are; ``min_form_bytes`` is asked of more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes a service allows for one FI; the reasons stand in ``settings.py``."""

    max_bytes: int = 500_000_000
    max_forms: int = 1_000_000
    max_parts: int = 9
    min_form_bytes: int = 100


@dataclass(frozen=True, slots=True)
class Whole:
    """What reception asks of a file that is validated as a whole and judged elsewhere.

    ``schemas``: the compiled XSD by its name in noNamespaceSchemaLocation; ``employer``: where
    the employer's number stands, as element names from under the root on, when the channel asks
    for mandates; ``identifications``: what the Identification of a form may say, empty for any.
    """

    schemas: Mapping[str, etree.XMLSchema]
    employer: tuple[str, ...] = ()
    identifications: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Description:
    """How the channel recognises a service and its documents, and what it asks of a sender.

    ``schemas`` are the accepted values of noNamespaceSchemaLocation (file name only);
    ``root`` and ``form`` the element names; ``others`` the roots of the services beside it.
    ``whole`` is None for a service whose forms the channel judges one by one. ``signed``: an FS
    must be there in ``IN``; else none may be. ``handed_over_once``: an FI that was accepted
    before is a replay. ``plain`` matches most forms at their start tag, each to its end and the
    white space behind it, and nothing that the schema would refuse (``batch.ingest.plain``).
    """

    name: str
    codes: frozenset[str]
    root: str
    form: str
    schemas: frozenset[str]
    limits: Limits = field(default=Limits())
    others: frozenset[str] = frozenset()
    whole: Whole | None = None
    signed: bool = True
    handed_over_once: bool = True
    qualities: frozenset[Quality] = frozenset(Quality)
    plain: re.Pattern[str] | None = None


class Service(Protocol):
    """A service whose forms the channel itself handles."""

    @property
    def description(self) -> Description: ...

    def judge(
        self, forms: Iterable[tuple[str, Given]], facts: ContentFacts
    ) -> Iterator[FormVerdict]:
        """Judge (part name, form) pairs one by one, in order; exactly one verdict each.

        Every element is complete when it is given and may be cleared once the next is asked for,
        so at most a small chunk is held. Faults (the ledger away) are raised, never made verdicts.
        """
        ...
