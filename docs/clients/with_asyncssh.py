"""A sender on asyncssh: python with_asyncssh.py send|rename|resume|list|fetch|delete [STEM].

H, P and U in the environment name host, port and user; ``login`` is the private key, ``known``
the host's key in OpenSSH's form.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import asyncssh


async def send(sftp: asyncssh.SFTPClient, stem: str) -> None:
    for name in (f"FI.{stem}.1.1", f"FS.{stem}.1.1", f"GO.{stem}.1"):
        await sftp.put(name, f"IN/{name}", preserve=True)


async def rename(sftp: asyncssh.SFTPClient, stem: str) -> None:
    name = f"FI.{stem}.1.1"
    await sftp.put(name, f"IN/{name}.part")
    await sftp.rename(f"IN/{name}.part", f"IN/{name}")


async def resume(sftp: asyncssh.SFTPClient, stem: str) -> None:
    name = f"FI.{stem}.1.1"
    there = await sftp.getsize(f"IN/{name}") or 0
    async with sftp.open(f"IN/{name}", "ab") as remote:
        await remote.write(Path(name).read_bytes()[there:])


async def show(sftp: asyncssh.SFTPClient, _stem: str) -> None:
    for found in await sftp.readdir("IN"):
        print(found.attrs.size, found.filename)


async def fetch(sftp: asyncssh.SFTPClient, _stem: str) -> None:
    await sftp.mget("OUT/*", "answers")


async def delete(sftp: asyncssh.SFTPClient, _stem: str) -> None:
    for path in Path("answers").iterdir():
        with suppress(asyncssh.SFTPNoSuchFile):
            await sftp.remove(f"OUT/{path.name}")


ORDERS = {
    "send": send,
    "rename": rename,
    "resume": resume,
    "list": show,
    "fetch": fetch,
    "delete": delete,
}


async def main(order: str, stem: str) -> None:
    connecting = asyncssh.connect(
        os.environ["H"],
        int(os.environ["P"]),
        username=os.environ["U"],
        client_keys=["login"],
        known_hosts="known",
        agent_path=None,
        config=None,
    )
    async with connecting as connection, connection.start_sftp_client() as sftp:
        await ORDERS[order](sftp, stem)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
