"""What a service must give the channel, and what it gets. The FLA is one service.

The channel knows a service by its purpose codes; it hands over the forms of a set that passed
reception and writes one NOTI form per verdict that comes back, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from lxml.etree import _Element

from batch.anomalies import Anomaly
from batch.identifiers import EnterpriseNumber, NssoNumber
from batch.names import Environment
from batch.registers import Enterprise, Standing


@dataclass(frozen=True, slots=True)
class FormHeader:
    """The official header of a form, to be echoed; None where absent or not fit to be echoed."""

    identification: str | None = None
    creation_date: str | None = None
    creation_hour: str | None = None
    attestation_status: str | None = None
    type_form: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A sender's Reference block (90082), echoed as given."""

    type: str
    origin: str
    number: str


@dataclass(frozen=True, slots=True)
class ResultField:
    """One element of a service's result: tag, text, attributes."""

    tag: str
    text: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FormVerdict:
    """What came of one form. Accepted when no anomaly blocks; ``result`` only then.

    ``employer`` (ten digits) and ``inss`` (eleven) are echoed as declared, also where their check
    digits are wrong: the sender finds the form by them.
    """

    header: FormHeader
    references: tuple[Reference, ...] = ()
    employer: str | None = None
    nsso: NssoNumber | None = None
    inss: str | None = field(default=None, repr=False)  # personal data
    user_reference: str | None = None
    anomalies: tuple[Anomaly, ...] = ()
    result_name: str | None = None
    result: tuple[ResultField, ...] = ()

    @property
    def accepted(self) -> bool:
        return not any(a.blocks for a in self.anomalies)


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


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes a service allows for one FI; the reasons stand in ``settings.py``."""

    max_bytes: int
    max_forms: int
    max_parts: int


@dataclass(frozen=True, slots=True)
class Description:
    """How the channel recognises a service and its documents.

    ``schemas`` are the accepted values of noNamespaceSchemaLocation (file name only);
    ``root`` and ``form`` the element names.
    """

    name: str
    codes: frozenset[str]
    root: str
    form: str
    schemas: frozenset[str]
    limits: Limits = field(default=Limits(500_000_000, 1_000_000, 9))


class Service(Protocol):
    """A service whose forms the channel itself handles."""

    @property
    def description(self) -> Description: ...

    def judge(
        self, forms: Iterable[tuple[str, _Element]], facts: ContentFacts
    ) -> Iterator[FormVerdict]:
        """Judge (part name, form) pairs one by one, in order; exactly one verdict each.

        Every element is complete when it is given and may be cleared once the next is asked for,
        so at most a small chunk is held. Faults (the ledger away) are raised, never made verdicts.
        """
        ...
