"""Where the schemas are, and the schemas compiled: the only module that knows their folder.

In a wheel they lie in ``batch/schemas``, in a checkout in ``schemas`` beside ``batch``. Only these
and the files that an operator names in the settings are ever compiled; no sender brings one, and
none is fetched.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

import batch
from batch.errors import Fault, InstanceError

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
    return etree.fromstring(source(message), _parser())


@cache
def compiled(message: str) -> etree.XMLSchema:
    """The compiled schema, one per process; its error log is that of the last validation."""
    return etree.XMLSchema(tree(message))


_XS = "{http://www.w3.org/2001/XMLSchema}"
_BRING_OTHERS = (f"{_XS}include", f"{_XS}import", f"{_XS}redefine", f"{_XS}override")


def brought(path: Path) -> etree.XMLSchema:
    """A schema that an operator names in the settings, compiled with the files it includes.

    InstanceError, with the file, when it cannot be read or is no schema, or when it or a file
    that it includes asks for one that does not lie in its folder or below.
    """
    folder, seen, open_paths = path.resolve().parent, set[Path](), [path.resolve()]
    while open_paths:
        current = open_paths.pop()
        if current in seen:
            continue
        seen.add(current)
        for wanted in _included(current):
            found = (current.parent / wanted).resolve()
            if "://" in wanted or not found.is_relative_to(folder):
                raise InstanceError(
                    f"schema {current}: it asks for {wanted}, which is not in its folder"
                )
            open_paths.append(found)
    try:
        return etree.XMLSchema(etree.parse(str(path), _parser()))
    except etree.XMLSchemaParseError as error:
        raise InstanceError(f"schema {path}: {error}") from None


def _included(path: Path) -> list[str]:
    try:
        root = etree.parse(str(path), _parser()).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise InstanceError(f"schema {path}: {error}") from None
    return [
        place
        for element in root.iterchildren(*_BRING_OTHERS)
        if (place := element.get("schemaLocation")) is not None
    ]


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
