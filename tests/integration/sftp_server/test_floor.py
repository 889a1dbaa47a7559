"""Below the floor of free space, as a sender meets it: one sentence, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from batch.settings import load
from batch.sftp_server.protocol import Packet, Status
from tests.integration.sftp_server.support import (
    FRESH,
    Raw,
    Running,
    make_instance,
    register,
    serving,
)

SENTENCE = "no space left at the receiver; send it again later"


@pytest.fixture
def scarce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = load(data=tmp_path_factory.mktemp("instance"), port=0, min_free_bytes=10**18)
    instance = make_instance(settings)
    key = ed25519.Ed25519PrivateKey.generate()
    register(instance, "000001", "alice", key)
    with serving(instance, settings) as port:
        yield Running(instance, port, {"alice": key})


def test_every_upload_is_refused_with_a_sentence_and_the_operator_reads_one_line(
    scarce: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with Raw(scarce) as raw:
        for kind in ("FI", "FS", "GO", "TD") * 5:
            name = f"/IN/{kind}.FLAD.000001.20261122.00001.R.1".encode()
            assert raw.status(Packet.OPEN, name, FRESH, 0) == (Status.FAILURE, SENTENCE)
    assert scarce.being_uploaded() == []
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "refused until there is room" in line]) == 1
    assert not [line for line in lines if "operation_failed" in line]


def test_what_is_there_is_renamed_read_and_removed(scarce: Running) -> None:
    with scarce.sftp() as sftp:
        (scarce.inbox / "old.tmp").write_bytes(b"taken before")
        (scarce.outbox / "FO.x").write_bytes(b"answer")
        sftp.rename("/IN/old.tmp", "/IN/new.tmp")
        sftp.remove("/IN/new.tmp")
        with sftp.open("/OUT/FO.x") as answer:
            assert answer.read() == b"answer"
        sftp.remove("/OUT/FO.x")
        with pytest.raises(OSError, match=SENTENCE):
            sftp.open("/IN/new.tmp", "w")
        with pytest.raises(OSError, match=SENTENCE):
            sftp.open("/IN/new.tmp", "a")
