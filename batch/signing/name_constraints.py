"""Which names a CA may vouch for (RFC 5280 4.2.1.10, and 6.1.3 b and c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from batch.signing.certificate import SigningCertificate, comparable, extension


@dataclass(slots=True)
class NameConstraints:
    """All constraints met on a path so far: each CA's permitted names, and every excluded one."""

    _permitted: list[list[x509.GeneralName]] = field(default_factory=list)
    _excluded: list[x509.GeneralName] = field(default_factory=list)

    def add(self, certificate: SigningCertificate) -> None:
        """RFC 5280 6.1.4 (g): those that a CA sets for all below it."""
        found = extension(certificate, x509.NameConstraints)
        if found is not None:
            if found.permitted_subtrees:
                self._permitted.append(list(found.permitted_subtrees))
            self._excluded += found.excluded_subtrees or []

    def fault(self, certificate: SigningCertificate) -> str | None:
        """Why a name of the certificate breaks them, or None. The name itself may be a person's."""
        if not self._permitted and not self._excluded:
            return None
        for kind, value in _names(certificate):
            words = _KINDS.get(kind, "of a kind that is not judged")
            excluded = _alike(self._excluded, kind)
            if any(_within(kind, value, tree) is not False for tree in excluded):
                return f"it has a name ({words}) that a CA above it excludes"
            for trees in self._permitted:
                alike = _alike(trees, kind)
                if alike and not any(_within(kind, value, tree) for tree in alike):
                    return f"it has a name ({words}) that a CA above it does not permit"
        return None


_Kind = type[x509.GeneralName]

_KINDS: Final[Mapping[_Kind, str]] = {
    x509.DirectoryName: "a directory name",
    x509.RFC822Name: "an e-mail address",
    x509.DNSName: "a DNS name",
    x509.UniformResourceIdentifier: "a URI",
    x509.IPAddress: "an IP address",
}


def _names(certificate: SigningCertificate) -> Iterator[tuple[_Kind, Any]]:
    """The subject, its alternative names, and without any the e-mail addresses in the subject."""
    subject = certificate.loaded.subject
    if subject.rdns:
        yield x509.DirectoryName, subject
    alternative = extension(certificate, x509.SubjectAlternativeName)
    if alternative is not None:
        yield from ((type(name), name.value) for name in alternative)
    else:
        for part in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            yield x509.RFC822Name, str(part.value)


def _alike(trees: list[x509.GeneralName], kind: _Kind) -> list[x509.GeneralName]:
    return [tree for tree in trees if type(tree) is kind]


def _within(kind: _Kind, value: Any, tree: x509.GeneralName) -> bool | None:
    """Whether a name lies in a subtree of its kind; None for one that cannot be compared."""
    compare = _COMPARE.get(kind)
    return None if compare is None else compare(value, tree.value)


def _directory(name: x509.Name, tree: x509.Name) -> bool:
    """The subtree is the beginning of the name."""
    parts, wanted = comparable(name), comparable(tree)
    return parts[: len(wanted)] == wanted


def _mailbox(name: str, tree: str) -> bool:
    """A mailbox, a host, or with a leading dot every host below one; only the host folds case."""
    local, _, host = name.rpartition("@")
    wanted, at, wanted_host = tree.rpartition("@")
    if at:
        return (local, host.lower()) == (wanted, wanted_host.lower())
    return _host(host, tree)


def _host(host: str, tree: str) -> bool:
    host, tree = host.lower(), tree.lower()
    return host.endswith(tree) and host != tree if tree.startswith(".") else host == tree


def _dns(name: str, tree: str) -> bool:
    """The subtree, or labels added to its left."""
    name, tree = name.lower().rstrip("."), tree.lower().strip(".")
    return not tree or name == tree or name.endswith("." + tree)


def _uri(name: str, tree: str) -> bool | None:
    """By the host; None for a URI that has none to compare, which then fits nowhere."""
    try:
        host = urlsplit(name).hostname
    except ValueError:
        return None
    if not host or ":" in host or host.replace(".", "").isdigit():
        return None
    return _host(host, tree)


def _address(
    name: IPv4Address | IPv6Address | IPv4Network | IPv6Network, tree: IPv4Network | IPv6Network
) -> bool:
    return isinstance(name, (IPv4Address, IPv6Address)) and name in tree


_COMPARE: Final[Mapping[_Kind, Callable[[Any, Any], bool | None]]] = {
    x509.DirectoryName: _directory,
    x509.RFC822Name: _mailbox,
    x509.DNSName: _dns,
    x509.UniformResourceIdentifier: _uri,
    x509.IPAddress: _address,
}
