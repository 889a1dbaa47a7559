"""Where the schemas are, and the schemas compiled: the only module that knows their folder.

In a wheel they lie in ``batch/schemas``, in a checkout in ``schemas`` beside ``batch``. Only these
files are ever compiled; none comes from outside (``security.md`` 2.4).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

import batch
from batch.errors import Fault

FLA = "fla/FLADeclaration_20261.xsd"
ACRF = "acrf/ACRF_20231.xsd"
NOTIFICATION = "notification/NOTIFICATION_20223.xsd"

MESSAGES = (FLA, ACRF, NOTIFICATION)
"""Every schema shipped, by its path in the folder."""


@cache
def folder() -> Path:
    """The folder of schemas of this installation; Fault when it has none."""
    package = Path(batch.__file__).resolve().parent
    for place in (package / "schemas", package.parent / "schemas"):
        if (place / FLA).is_file():
            return place
    raise Fault("the schemas are missing from this installation: install fla-batch again")


def source(message: str) -> bytes:
    """The bytes of one schema, named as in ``MESSAGES``; Fault when it cannot be read."""
    try:
        return (folder() / message).read_bytes()
    except OSError as error:
        raise Fault(f"the schema {message} cannot be read: {error.strerror}") from None


def tree(message: str) -> etree._Element:
    """The parsed schema, a fresh tree at each call; nothing outside the file is looked at."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(source(message), parser)


@cache
def compiled(message: str) -> etree.XMLSchema:
    """The compiled schema, one per process; its error log is that of the last validation."""
    return etree.XMLSchema(tree(message))
