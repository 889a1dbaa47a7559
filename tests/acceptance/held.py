"""An upload that stays open until its client closes it, and hears how the CLOSE ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paramiko import SFTPAttributes
from paramiko.sftp import CMD_CLOSE, CMD_OPEN, CMD_WRITE, SFTP_FLAG_CREATE, int64
from paramiko.sftp import SFTP_FLAG_TRUNC as TRUNC
from paramiko.sftp import SFTP_FLAG_WRITE as WRITE

from tests.acceptance.clients import Mail

OK = "OK"


@dataclass(frozen=True)
class Held:
    """An open upload. paramiko's own file swallows what CLOSE is answered, so this is none."""

    mail: Mail
    handle: bytes

    def write(self, content: bytes) -> None:
        """In one packet: for small files."""
        _ask(self.mail, CMD_WRITE, self.handle, int64(0), content)

    def close(self) -> str:
        """OK, or the sentence by which it was refused."""
        try:
            _ask(self.mail, CMD_CLOSE, self.handle)
        except OSError as error:
            return str(error)
        return OK


def hold(mail: Mail, folder: str, name: str) -> Held | str:
    """OPEN for writing: what is open now, or the sentence by which it was refused."""
    flags = WRITE | SFTP_FLAG_CREATE | TRUNC
    path = f"/{folder}/{name}".encode()
    try:
        _, said = _ask(mail, CMD_OPEN, path, flags, SFTPAttributes())
    except OSError as error:
        return str(error) or "refused"
    return Held(mail, said.get_binary())


def upload(mail: Mail, folder: str, name: str, content: bytes = b"") -> str:
    """A whole upload of a small file: OK, or the sentence of the step that was refused."""
    held = hold(mail, folder, name)
    if isinstance(held, str):
        return held
    if content:
        held.write(content)
    return held.close()


def _ask(mail: Mail, *request: object) -> Any:
    session: Any = mail._sftp
    return session._request(*request)
