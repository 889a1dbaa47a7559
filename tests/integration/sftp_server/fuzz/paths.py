"""Hostile paths: bytes that no client's library would send."""

from __future__ import annotations

import random

from batch.names import Folder
from batch.sftp_server.protocol import MAX_NAME

PIECES = (
    *(b"..", b".", b"", b" ", b"IN", b"OUT", b"INTEST", b"OUTTEST", b"in", b"IN ", b"IN\0", b"IN."),
    *(b"mine", b"sealed", b"of-000010", b"000010", b"000001", b"channels", b"spool", b"taken"),
    *(b"up", b"db", b"keys", b"etc", b"passwd", b"proc", b"self", b"cwd", b"root", b"fd", b"3"),
    *(b"~", b"~root", b"$HOME", b"`id`", b"*", b"?", b"[a]", b"{a,b}", b"a;b", b"a|b", b"-rf"),
    *(b"%2e%2e", b"..%2f..", b"%00", b"\\..\\", b"C:\\", b"..\\..", b"file:", b"\xc0\xae\xc0\xae"),
    *(b"\xff", b"\xed\xa0\x80", b"\0", b"a\0b", b"\n", b"\r", b"\x1b[31m", b"\x7f", b"\xc2\x85"),
    *("．．".encode(), "․․".encode(), "∕".encode(), "é".encode(), "e\u0301".encode()),
    *("\u202e".encode(), "\u2028".encode(), "\ufeff".encode(), "ＩＮ".encode(), "İN".encode()),
    *(b"A" * 100, b"A" * 101, b"A" * 300, b"../" * 60, b"/" * 200, b"./" * 50, b".hidden", b"..."),
)  # fmt: skip

FOLDERS = tuple(folder.encode() for folder in Folder)
HALF_WAY = (b"", b"..", b".", b"IN/..", b"000010/..", b"../..", b"000010")
NAMES = (
    b"mine",
    b"mine",
    b"sealed",
    b"of-000010",
    b"mine/",
    b"mine/..",
    b"mine/.",
    b"",
    b"../OUT/mine",
)


def hostile(chance: random.Random) -> bytes:
    """A path of what has led out of other servers, or of anything; now and then far too long."""
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(60))
    if kind < 0.11:
        return b"/IN/" + b"x" * chance.choice((MAX_NAME - 4, MAX_NAME - 3, 70_000))
    if kind < 0.3:  # nearly right, and sometimes right
        way = [chance.choice(HALF_WAY) for _ in range(chance.randrange(3))]
        name = chance.choice(NAMES if chance.random() < 0.6 else PIECES)
        return b"/".join([*way, chance.choice(FOLDERS), name])
    pieces = [chance.choice(PIECES) for _ in range(chance.randrange(9))]
    path = (b"/" if kind < 0.75 else b"") + b"/".join(pieces)
    return path if chance.random() < 0.9 else path + chance.randbytes(3)
