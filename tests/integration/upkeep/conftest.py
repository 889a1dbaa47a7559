"""The same instances as the tests of storage have, and places that are really there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.storage.conftest import make_world, template, world
from tests.integration.upkeep.places import Place, place

__all__ = ["make_world", "template", "world"]


@pytest.fixture
def there() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
