"""The sender's side, on paramiko: put a set into IN, wait for its answers in OUT.

Works without an instance: nothing here knows the database or the spool of a server.
"""

from batch.client.answers import FormResult, Notice, Proof, Receipt, UnreadableAnswer
from batch.client.collecting import Outcome, Question, Verdict, answers_listed, wait_answers
from batch.client.connection import Connection, HostKeyRefused, Line, LoginRefused, persevere
from batch.client.mailbox import Wish
from batch.client.outgoing import OutgoingPart, OutgoingSet, gather, read_name
from batch.client.sending import SendRefused, Sent, send_set

__all__ = [
    "Connection",
    "FormResult",
    "HostKeyRefused",
    "Line",
    "LoginRefused",
    "Notice",
    "Outcome",
    "OutgoingPart",
    "OutgoingSet",
    "Proof",
    "Question",
    "Receipt",
    "SendRefused",
    "Sent",
    "UnreadableAnswer",
    "Verdict",
    "Wish",
    "answers_listed",
    "gather",
    "persevere",
    "read_name",
    "send_set",
    "wait_answers",
]
