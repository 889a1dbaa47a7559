"""All tables of a database; importing this module fills the metadata."""

import batch.storage.evidence_tables
import batch.storage.ledger_tables
import batch.storage.registers_tables
import batch.storage.submission_tables  # noqa: F401 - each adds its tables to the metadata
from batch.storage.schema import metadata

__all__ = ["metadata"]
