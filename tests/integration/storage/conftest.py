"""Every test has an instance of its own, copied from one that was made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.storage.world import World, copied, make_template

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("template") / "data"
    make_template(data)
    return data


@pytest.fixture
def make_world(template: Path, tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds with settings by name."""
    with ExitStack() as stack:

        def make(**settings: object) -> World:
            number = len(list(tmp_path.glob("world*")))
            return stack.enter_context(copied(template, tmp_path / f"world{number}", **settings))

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
