"""The institution's key in a PKCS#11 token (SoftHSM): the worker signs with it, or waits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from batch.errors import Busy, InstanceError, OperatorError
from batch.settings import Settings, load
from batch.signing import certificate
from batch.signing.pkcs11_uri import parse
from batch.states import Stage
from batch.storage.token import TokenSigner, token_signer
from tests.integration.storage.conftest import MakeWorld
from tests.integration.storage.conftest import make_world as make_world
from tests.integration.storage.conftest import template as template
from tests.integration.storage.world import RECEIVED, World

pytestmark = pytest.mark.needs("softhsm2-util", "openssl")

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "271828"

WORK = """
import sys
from batch.settings import load
from batch.storage.instance import Instance
from batch.worker.process import make_worker
worker = make_worker(Instance.open(load(data=sys.argv[1]), wait=1))
for line in sys.stdin:
    print(worker.run_until_idle(), flush=True)
"""
"""The worker of a process of its own, which works when it is told to."""


def run(*words: object, home: Path) -> None:
    subprocess.run([str(w) for w in words], cwd=home, check=True, capture_output=True, timeout=60)


def curve_of(kind: str) -> tuple[str, ...]:
    return ("-pkeyopt", "ec_paramgen_curve:P-384") if kind == "ec" else ()


@dataclass(frozen=True)
class Token:
    """A token on this disk with one key; ``drawer`` is where it lies when it was drawn."""

    home: Path

    @property
    def uri(self) -> str:
        place = f"module-path={MODULE}&pin-source=file:{self.home / 'pin'}"
        return f"pkcs11:token=institution;object=answers;id=%0a?{place}"

    @property
    def pem(self) -> Path:
        return self.home / "certificate.pem"

    def draw(self) -> None:
        (self.home / "tokens").rename(self.home / "drawer")
        (self.home / "tokens").mkdir()

    def put_back(self) -> None:
        (self.home / "tokens").rmdir()
        (self.home / "drawer").rename(self.home / "tokens")

    def signer(self) -> TokenSigner:
        return token_signer(self.uri, certificate.read(self.pem.read_bytes()))


BOTH = pytest.mark.parametrize("token", ["rsa:2048", "ec"], indirect=True)


@pytest.fixture
def token(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    home = tmp_path / "token"
    (home / "tokens").mkdir(parents=True)
    (home / "softhsm.conf").write_text(f"directories.tokendir = {home / 'tokens'}\n")
    (home / "pin").write_text(PIN + "\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(home / "softhsm.conf"))
    kind = getattr(request, "param", "ec")
    run(
        *("openssl", "req", "-x509", "-newkey", kind, *curve_of(kind), "-nodes", "-days", "30"),
        *("-keyout", "key.pem", "-out", "certificate.pem", "-subj", "/CN=Institution"),
        *("-addext", "keyUsage=critical,digitalSignature,nonRepudiation"),
        home=home,
    )
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-out", "key.p8", home=home)
    label = ("--label", "institution")
    run("softhsm2-util", "--init-token", "--free", *label, "--so-pin", PIN, "--pin", PIN, home=home)
    given = ("--import", "key.p8", "--token", "institution", "--label", "answers", "--id", "0a")
    run("softhsm2-util", *given, "--pin", PIN, home=home)
    (home / "key.pem").unlink()
    (home / "key.p8").unlink()
    return Token(home)


@dataclass
class Process:
    """A worker in a process of its own."""

    process: subprocess.Popen[str]
    log: Path

    def work(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture
def world(make_world: MakeWorld, token: Token) -> World:
    """An instance that was moved to the token: its own key is gone."""
    world = make_world(institution_key_uri=token.uri)
    layout = world.instance.layout
    layout.institution_key.unlink()
    layout.institution_certificate.unlink()
    shutil.copyfile(token.pem, layout.institution_certificate)
    return world


@pytest.fixture
def worker(world: World, token: Token) -> Iterator[Process]:
    environment = {**os.environ, "FLA_BATCH_INSTITUTION_KEY_URI": token.uri}
    log = token.home / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(world.settings.data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    yield Process(process, log)
    process.communicate(timeout=30)
    assert PIN not in log.read_text()


@pytest.mark.parametrize(
    "token", [pytest.param("rsa:2048", marks=pytest.mark.slow), "ec"], indirect=True
)
def test_the_worker_signs_with_the_token_and_waits_while_it_is_away(
    world: World, worker: Process, token: Token
) -> None:
    first = world.send_new()
    token.draw()
    worker.work()
    assert "key answers of token institution is out of reach" in worker.log.read_text()
    assert (world.receipts_if_complete(first), world.report(first).state) == ([], Stage.SEALED)
    token.put_back()
    worker.work()
    assert world.receipts(first) == [RECEIVED]
    report = world.report(first)
    assert (report.state, report.attempt) == (Stage.ANSWERED, 1)
    for answer in world.answers():
        (token.home / "FO").write_bytes(answer.data)
        (token.home / "FS").write_bytes(answer.signature)
        run("sh", "-ec", "base64 -d FS > FS.der", home=token.home)
        run(
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "FS.der"),
            *("-content", "FO", "-CAfile", token.pem, "-out", "verified"),
            home=token.home,
        )
        assert (token.home / "verified").read_bytes() == answer.data


@BOTH
def test_a_session_that_ended_is_opened_anew(token: Token) -> None:
    signer = token.signer()
    first = signer.sign(b"one")
    assert signer._session is not None
    signer._session.close()  # as the token does when it is drawn: every handle is void
    assert len(signer.sign(b"two")) >= len(first) - 4
    token.draw()
    signer._session.close()
    with pytest.raises(Busy, match="out of reach"):
        signer.sign(b"three")
    token.put_back()
    signer.sign(b"four")


def test_a_refused_pin_is_not_tried_again_until_it_was_changed(token: Token) -> None:
    signer = token.signer()
    (token.home / "pin").write_text("314159\n")
    with pytest.raises(Busy, match="PinIncorrect"):
        signer.sign(b"one")
    with pytest.raises(Busy, match=f"the PIN was refused; mend {token.home / 'pin'}"):
        signer.sign(b"one")
    (token.home / "pin").write_text(PIN)
    signer.sign(b"one")


def test_a_key_of_another_certificate_signs_nothing(token: Token) -> None:
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", *curve_of("ec"), "-nodes"),
        *("-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=Other"),
        home=token.home,
    )
    other = certificate.read((token.home / "other.pem").read_bytes())
    signer = token_signer(token.uri, other)
    with pytest.raises(Busy, match="is not the key of the institution's certificate"):
        signer.sign(b"one")


def test_init_wants_the_certificate_of_the_tokens_key(token: Token, tmp_path: Path) -> None:
    from batch.storage.instance import Instance

    with pytest.raises(InstanceError, match=r"institution\.crt: put the certificate"):
        Instance.make(load(data=tmp_path / "new", institution_key_uri=token.uri), datetime.now(UTC))


def test_without_the_library_it_says_what_to_install(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(OperatorError, match=r"pip install 'fla-batch\[pkcs11\]'"):
        token.signer()


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("&pin-value=271828", "a PIN may not stand in a setting"),
        (";pin-value=271828", "a PIN may not stand in a setting"),
        ("&module-path=/other.so", "module-path stands there twice"),
        ("&colour=red", "only these attributes are known"),
    ],
)
def test_a_setting_with_a_pin_is_refused_and_not_repeated(odd: str, words: str) -> None:
    uri = "pkcs11:token=a;object=b?module-path=/m.so&pin-source=file:/pin" + odd
    with pytest.raises(ValidationError):
        Settings(institution_key_uri=uri)
    with pytest.raises(InstanceError, match=words) as refused:
        load(institution_key_uri=uri)
    assert "271828" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("softhsm:token=a", "expected pkcs11:"),
        ("pkcs11:object=b?module-path=/m.so&pin-source=file:/pin", "name the token"),
        ("pkcs11:token=a?module-path=/m.so&pin-source=file:/pin", "name the key"),
        ("pkcs11:token=a;object=b?pin-source=file:/pin", "module-path must be an absolute"),
        ("pkcs11:token=a;object=b?module-path=/m.so", "pin-source must be an absolute"),
        ("pkcs11:token=a;object=b?module-path=/m.so&pin-source=https://x/pin", "a file of this"),
        ("pkcs11:token=a;object=b;type=public?module-path=/m.so&pin-source=/p", "must be private"),
    ],
)
def test_what_is_missing_in_a_uri_is_named(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(uri)


def test_a_uri_is_read_as_rfc_7512_writes_it() -> None:
    found = parse("pkcs11:token=My%20token;id=%0a%ff?pin-source=file:///etc/pin&module-path=/m.so")
    assert (found.token, found.object, found.id) == ("My token", None, b"\x0a\xff")
    assert (found.module, found.pin_source) == (Path("/m.so"), Path("/etc/pin"))
