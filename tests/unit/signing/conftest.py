from __future__ import annotations

import pytest

from tests.unit.signing.pki import Pki, make_pki
from tests.unit.signing.revocations import World, make_world


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def world(pki: Pki) -> World:
    return make_world(pki)
