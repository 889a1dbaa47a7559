"""Faults: what is wrong with us or with an operator's request, never with a declaration.

    Fault
    |-- OperatorError       a request that cannot be carried out as asked
    |-- InstanceError       the instance is absent, busy, or not as it must be
    |-- SpoolFault          the disk did not do what was asked, or a sealed set is damaged
    `-- Busy                an outside thing is away for now: try again later

``Denied`` stands apart: it is no fault of ours, but what a sender asked of the channel may not
be done, with the sentence the sender reads.

What is wrong with a declaration is a value (``batch.anomalies.Anomaly``) and is never raised.
"""

from __future__ import annotations


class Fault(Exception):
    """Base of all faults; the message is one sentence a person can act on."""


class OperatorError(Fault):
    """The operator asked for something that cannot be: unknown number, taken name, bad file."""


class InstanceError(Fault):
    """The directory is no instance, belongs to a living process, or has another version."""


class SpoolFault(Fault):
    """A disk operation failed, or sealed bytes differ from their manifest."""


class Busy(Fault):
    """The database or another source is out of reach for now; nothing is refused because of it."""


class Denied(Exception):
    """What a sender asked may not be done; the message is a sentence for the sender.

    Raised below the server, which knows no protocol: by a ``permissions.Forbidden``, or for what
    no table says. ``sftp_server.refusals.explain`` makes the ``Refusal`` of it.
    """
