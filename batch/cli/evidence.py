"""``evidence verify``: judge an archive of evidence, with nothing but the archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from batch.cli import output
from batch.cli.values import read_file
from batch.errors import OperatorError
from batch.evidence import judging
from batch.evidence.checks import Check, Given, Outcome
from batch.signing.certificate import CertificateError, SigningCertificate, read_all

evidence = typer.Typer(no_args_is_help=True, help="Archives of evidence, judged offline.")


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(evidence, name="evidence")


@evidence.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="An archive that submission evidence wrote.", metavar="FILE")
    ],
    institution: Annotated[
        list[str] | None,
        typer.Option(
            help="The institution's certificate, got another way; may be given again. Without it "
            "the archive is only believed about whose it is.",
            metavar="CERT",
        ),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            help="A CA that you trust yourself: the signer's path must end in one of them. May be "
            "given again.",
            metavar="CA",
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """Judge an archive of evidence again: offline, without an instance, at the sealing instant.

    Exit 1 when anything in it was changed, is missing, or does not follow from the rest. Nothing is
    unpacked.
    """
    given = Given(_certificates("--institution", institution), _certificates("--trust", trust))
    try:
        with open(file, "rb") as stream:
            found = judging.verify(stream, given)
    except OSError as error:
        raise OperatorError(f"{file}: {error.strerror}; give a file that can be read") from None
    genuine = all(check.outcome is not Outcome.FAILED for check in found)
    if json:
        output.document({"file": file, "genuine": genuine, "checks": found})
    else:
        columns = ("check", "about", "outcome", "in words")
        output.table(str(file), columns, [_row(check) for check in found])
    if not genuine:
        raise typer.Exit(1)


def _row(check: Check) -> tuple[object, ...]:
    return (check.check, check.about, check.outcome, check.words)


def _certificates(field: str, names: Sequence[str] | None) -> tuple[SigningCertificate, ...]:
    """Those of every file given, PEM or DER."""
    found: list[SigningCertificate] = []
    for name in names or ():
        try:
            found += read_all(read_file(field, name))
        except CertificateError as error:
            raise OperatorError(f"{field} {name}: {error}") from None
    return tuple(found)
