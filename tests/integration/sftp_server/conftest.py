"""One server for all tests of a module: they use file names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from batch.settings import load
from tests.integration.sftp_server.support import (
    YESTERDAY,
    Private,
    Running,
    make_instance,
    register,
    serving,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("instance")
    settings = load(data=data, port=0, max_connections_per_sender=4, max_handles=8)
    instance = make_instance(settings)
    new = ed25519.Ed25519PrivateKey.generate
    keys: dict[str, Private] = {name: new() for name in ("alice", "bob", "shut", "late", "none")}
    keys["weak"] = rsa.generate_private_key(65537, 1024)
    keys["rsa"] = rsa.generate_private_key(65537, 2048)
    register(instance, "000001", "alice", keys["alice"])
    register(instance, "000002", "bob", keys["bob"])
    register(instance, "000003", "shut", keys["shut"], closed=YESTERDAY)
    register(instance, "000004", "late", keys["late"], key_until=YESTERDAY)
    register(instance, "000005", "weak", keys["weak"])
    register(instance, "000006", "rsa", keys["rsa"])
    with serving(instance, settings) as port:
        yield Running(instance, port, keys)
