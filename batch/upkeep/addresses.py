"""Where a fetch may go: not to ourselves, and not to where only we can go.

A URL stands in a certificate, so its CA chose it. Whoever has a CA that is trusted could else have
us ask our own machines (SSRF). The address that was checked is the one connected to: a name that
means another address a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 2000
"""Characters: no CA needs so many, and a server may cut longer ones."""


class OutOfBounds(Exception):
    """This URL is not to be asked; the words say why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A URL that may be asked: its parts, and the addresses to try in turn."""

    url: str
    scheme: str
    host: str
    port: int
    target: str
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return name if self.port == usual else f"{name}:{self.port}"


def place_of(url: str, *, private: bool, resolve: bool = True) -> Place:
    """Where ``url`` leads. OutOfBounds when it is not to be asked; OSError: an unknown name.

    ``private``: loopback and private addresses are allowed. Without ``resolve``, as where a proxy
    looks the name up, only an address that is written in the URL is judged.
    """
    parts = _parts(url)
    host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = _addresses(host, port, resolve=resolve)
    if not private:
        for address in found:
            if not _is_public(address):
                raise OutOfBounds(
                    f"{host} is at {address}, which is not on the public internet; where that is "
                    "meant, set revocation_private"
                )
    return Place(url, parts.scheme, host, port, target, tuple(found))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.port is None or parts.port > 0
    except ValueError:
        raise OutOfBounds("this is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not known:
        raise OutOfBounds("only http and https are fetched; give its CRL with trust add")
    if parts.username is not None or parts.password is not None:
        raise OutOfBounds("the URL has a user name in it")
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise OutOfBounds("the URL is too long, or has characters that no URL has")
    return parts


def _addresses(host: str, port: int, *, resolve: bool) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        if not resolve:
            return []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _is_public(address: str) -> bool:
    """Neither loopback nor private, link-local, shared or reserved; also inside an IPv6 one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inside is not None:
            return inside.is_global and not inside.is_multicast
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
            return inside.is_global and not inside.is_multicast
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses seen through a translator (RFC 6052)."""
