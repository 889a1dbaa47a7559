"""Whether the institution signed an answer: by the openssl program where there is one."""

from __future__ import annotations

import base64
import binascii
import shutil
import subprocess
from pathlib import Path

from batch.client import Proof
from batch.client.proving import prove
from batch.signing import certificate

_SECONDS = 20.0


def prover() -> str:
    """What judges the signatures here, in words."""
    return "openssl cms -verify" if shutil.which("openssl") else "the project's own verification"


def proof_of(answer: Path, fs: Path, institution: Path) -> Proof:
    """Judge ``fs`` over the bytes of the FO or CO ``answer``, by the certificate ``institution``.

    An answer without FS is wrong: every answer has one (contract, section 3).
    """
    if not fs.is_file():
        return Proof.WRONG
    program = shutil.which("openssl")
    if program is None:
        known = certificate.read(institution.read_bytes())
        return prove(answer.read_bytes(), fs.read_bytes(), known)
    try:
        der = base64.b64decode(fs.read_bytes(), validate=True)
    except binascii.Error:
        return Proof.WRONG
    signer = str(institution)
    trusted = ["-certfile", signer, "-nointern", "-CAfile", signer, "-no-CApath"]
    done = subprocess.run(  # noqa: S603 - the program of this machine, on files of our own
        [program, "cms", "-verify", "-binary", "-inform", "DER", "-content", answer, *trusted],
        input=der,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=False,
    )
    return Proof.VERIFIED if done.returncode == 0 else Proof.WRONG
