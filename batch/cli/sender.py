"""``sign``, ``send`` and ``check``: what a sender does. None of them needs an instance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from batch import client
from batch.cli import outcomes, output
from batch.errors import OperatorError
from batch.names import Kind, PartName
from batch.signing import certificate as certificates
from batch.signing import encoding
from batch.signing.causes import CAUSES
from batch.signing.policy import SignaturePolicy
from batch.signing.signature import KeySigner, key_signer, load_key, sign_with
from batch.signing.verdict import NotSigned
from batch.signing.verification import Verifier, begin

Files = Annotated[list[Path], typer.Argument(metavar="FI", help="FI files, named as sent.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Private key to sign with, PEM.")
]
CertificateFile = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="The signer's certificate, PEM or DER."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Holds the password of the key."),
]

HostKey = Annotated[
    Path, typer.Option(metavar="FILE", help="The server's public key, or known_hosts lines.")
]
Answers = Annotated[Path | None, typer.Option(metavar="DIR", help="Save the answers' files here.")]
Institution = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate that must sign the answers.")
]
Remove = Annotated[
    bool, typer.Option("--remove", help="Take our answers out of the outbox once read.")
]

_RESEND_SECONDS = 60.0
"""How long a lost connection is made anew while sending; sending again changes nothing."""

_CHUNK = 1_000_000


def add_to(app: typer.Typer) -> None:
    """Put the sender's commands on ``app``."""
    app.command("sign")(sign)
    app.command("send")(send)


def sign(
    files: Files,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key, PEM.")],
    certificate: Annotated[
        Path, typer.Option("--certificate", metavar="FILE", help="Its certificate, PEM or DER.")
    ],
    password_file: PasswordFile = None,
    json: output.Json = False,
) -> None:
    """Write the FS beside each FI: one line of base64 around a detached CMS signature.

    Each is then read back and verified as the channel would, by the certificate that was given.
    """
    named = [(path, client.read_name(path.name)) for path in files]
    make_fs = _signing(_signer(key, certificate, password_file))
    signed = [(path, _write_beside(path, name, make_fs(path))) for path, name in named]
    for fi, fs in signed:
        _verify(fi, fs, certificate)
    if json:
        output.document({"signed": [{"fi": fi, "fs": fs} for fi, fs in signed]})
        return
    for _, fs in signed:
        output.console.print(f"{fs} written")


def send(  # noqa: PLR0913 - one parameter per option of the contract
    files: Files,
    host: Annotated[str, typer.Option(metavar="HOST", help="The channel's address.")],
    user: Annotated[str, typer.Option(metavar="NAME", help="Name of the technical account.")],
    identity: Annotated[Path, typer.Option(metavar="KEY", help="Private SSH key to log in with.")],
    host_key: HostKey,
    port: Annotated[str, typer.Option(metavar="P", help="The channel's port.")] = "8022",
    key: KeyFile = None,
    certificate: CertificateFile = None,
    password_file: PasswordFile = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the ACRF and the NOTI.")] = False,
    receipt: Annotated[
        bool,
        typer.Option(
            "--receipt",
            help="With --wait: for the ACRF alone, where no NOTI comes from the channel.",
        ),
    ] = False,
    timeout: Annotated[str, typer.Option(metavar="S", help="Seconds to wait at most.")] = "600",
    answers: Answers = None,
    institution: Institution = None,
    remove: Remove = False,
    json: output.Json = False,
) -> None:
    """Send sets: FI, FS, and GO last. With --wait, exit 0 only when everything was accepted.

    Parts of one stem are one set. Without --key the FS lying beside each FI is sent.
    """
    if not wait and (answers or institution or remove or receipt):
        raise OperatorError("--answers, --institution, --remove and --receipt need --wait")
    connection = client.Connection(host, _port(port), user, identity, host_key)
    wish = client.Wish(
        timeout=_seconds(timeout),
        institution=None if institution is None else _certificate(institution),
        save_to=answers,
        remove=remove,
        receipt_only=receipt,
    )
    sets = client.gather(files, _signing_if_asked(key, certificate, password_file))
    with client.Line(connection) as line:
        reports = _send_all(line, sets, wish if wait else None)
    outcomes.show(reports, json)
    if not all(report.good for report in reports):
        raise typer.Exit(1)


def _signer(key: Path, certificate: Path, password_file: Path | None) -> KeySigner:
    """Read the key and its certificate; OperatorError names the file that is wrong."""
    password = None
    if password_file is not None:
        password = _content(password_file).rstrip(b"\r\n")
    try:
        private = load_key(_content(key), password)
    except OperatorError as error:
        raise OperatorError(f"{key}: {error}") from None
    return key_signer(private, _certificate(certificate))


def _certificate(path: Path) -> certificates.SigningCertificate:
    try:
        return certificates.read(_content(path))
    except certificates.CertificateError as error:
        raise OperatorError(f"{path}: {error}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None


def _signing_if_asked(
    key: Path | None, certificate: Path | None, password_file: Path | None
) -> Callable[[Path], bytes] | None:
    """What makes the FS; None when those beside the FI are to be sent."""
    if key is not None and certificate is not None:
        return _signing(_signer(key, certificate, password_file))
    if key is not None or certificate is not None:
        raise OperatorError("signing needs both --key and --certificate")
    return None


def _signing(signer: KeySigner) -> Callable[[Path], bytes]:
    """What makes the content of an FS from the path of its FI."""
    return lambda path: encoding.encode(sign_with(signer, _chunks(path), datetime.now(UTC)))


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None


def _write_beside(path: Path, name: PartName, fs: bytes) -> Path:
    """Write the FS whole or not at all: half a signature would be refused with 125."""
    target = path.with_name(str(name.of(Kind.FS)))
    unfinished = path.with_name(f".{target.name}.part")
    unfinished.write_bytes(fs)
    return unfinished.replace(target)


def _verify(fi: Path, fs: Path, certificate: Path) -> None:
    """Prove what was written, as the channel will; one that would be refused does not stay."""
    signer = _certificate(certificate)
    known = (signer,)
    begun = begin(_content(fs), known, SignaturePolicy(known), datetime.now(UTC))
    if isinstance(begun, Verifier):
        for chunk in _chunks(fi):
            begun.update(chunk)
    verdict = begun.finish() if isinstance(begun, Verifier) else begun
    if isinstance(verdict, NotSigned):
        fs.unlink()
        remedy = CAUSES[verdict.cause].remedy if verdict.cause in CAUSES else ""
        raise OperatorError(
            f"{fs}: the channel would refuse it with {verdict.code}, so it was removed: "
            f"{verdict.words} {remedy}".rstrip()
        )


def _send_all(
    line: client.Line, sets: tuple[client.OutgoingSet, ...], wish: client.Wish | None
) -> list[outcomes.Report]:
    """Send every set, then wait when ``wish`` says how; only the first connection must succeed."""
    folders = {one.folder for one in sets}
    before = client.persevere(
        line, lambda sftp: client.answers_listed(sftp, folders), time.monotonic()
    )
    sent = _upload(line, sets)
    if wish is None:
        return [outcomes.Report(one, None) for one in sent]
    questions = [client.Question(one.stem, one.folder) for one in sent]
    with output.errors.status("waiting for the answers"):
        found = client.wait_answers(line, questions, before, wish, _trouble)
    return [outcomes.Report(one, outcome) for one, outcome in zip(sent, found, strict=True)]


def _upload(line: client.Line, sets: tuple[client.OutgoingSet, ...]) -> list[client.Sent]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=output.errors,
        transient=True,
        disable=not output.errors.is_terminal,
    )
    with bar:
        return [_upload_one(line, one, bar) for one in sets]


def _upload_one(line: client.Line, outgoing: client.OutgoingSet, bar: Progress) -> client.Sent:
    task = bar.add_task(str(outgoing.stem), total=None)

    def on_progress(name: str, done: int, total: int) -> None:
        bar.update(task, description=name, completed=done, total=total)

    return client.persevere(
        line,
        lambda sftp: client.send_set(sftp, outgoing, on_progress),
        time.monotonic() + _RESEND_SECONDS,
        _trouble,
    )


def _trouble(reason: str) -> None:
    output.errors.print(reason, markup=False)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise OperatorError(f"--port {text}: not a port, 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise OperatorError(f"--timeout {text}: not a number of seconds")
    return value
