"""The same instances as the tests of storage have."""

from __future__ import annotations

from tests.integration.storage.conftest import make_world, template, world

__all__ = ["make_world", "template", "world"]
