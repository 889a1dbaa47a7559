"""A sender on paramiko: python with_paramiko.py send|rename|resume|list|fetch|delete [STEM].

H, P and U in the environment name host, port and user; ``login`` is the private key, ``known``
the host's key in OpenSSH's form.
"""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import paramiko


def send(sftp: paramiko.SFTPClient, stem: str) -> None:
    for name in (f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"):
        sftp.put(name, f"IN/{name}")


def rename(sftp: paramiko.SFTPClient, stem: str) -> None:
    name = f"FI.{stem}.1.1"
    sftp.put(name, f"IN/{name}.part")
    sftp.rename(f"IN/{name}.part", f"IN/{name}")


def resume(sftp: paramiko.SFTPClient, stem: str) -> None:
    name = f"FI.{stem}.1.1"
    there = sftp.stat(f"IN/{name}").st_size or 0
    with open(name, "rb") as local, sftp.open(f"IN/{name}", "ab") as remote:
        local.seek(there)
        remote.set_pipelined(True)
        while block := local.read(32768):
            remote.write(block)


def show(sftp: paramiko.SFTPClient, _stem: str) -> None:
    for found in sftp.listdir_attr("IN"):
        print(found.st_size, found.filename)


def fetch(sftp: paramiko.SFTPClient, _stem: str) -> None:
    for name in sftp.listdir("OUT"):
        sftp.get(f"OUT/{name}", f"answers/{name}")


def delete(sftp: paramiko.SFTPClient, _stem: str) -> None:
    for path in Path("answers").iterdir():
        with suppress(FileNotFoundError):
            sftp.remove(f"OUT/{path.name}")


ORDERS = {
    "send": send,
    "rename": rename,
    "resume": resume,
    "list": show,
    "fetch": fetch,
    "delete": delete,
}

if __name__ == "__main__":
    # Without it each packet waits for an acknowledgement, up to 40 ms: paramiko sends in pieces.
    line = socket.create_connection((os.environ["H"], int(os.environ["P"])))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    client.load_host_keys("known")
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        os.environ["H"],
        int(os.environ["P"]),
        os.environ["U"],
        sock=line,
        key_filename="login",
        allow_agent=False,
        look_for_keys=False,
    )
    with client, client.open_sftp() as session:
        ORDERS[sys.argv[1]](session, sys.argv[2] if len(sys.argv) > 2 else "")
