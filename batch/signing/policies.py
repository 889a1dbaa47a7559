"""Certificate policies along a path (RFC 5280 6.1, with the graph of RFC 9618 for the tree).

Only the latest depth of the graph is kept: what decides is whether it has a node, and which of the
first CA's policies each node stems from. So the work is bounded by what the certificates list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from batch.signing.asn1 import Fields, Malformed, children, object_identifier, read
from batch.signing.certificate import SigningCertificate, extension

_POLICY_MAPPINGS: Final = "2.5.29.33"
ANY_POLICY: Final = "2.5.29.32.0"


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """What the user of a path asks of its policies (RFC 5280 6.1.1 c, e, f, g): by default nothing.

    ``accepted``: object identifiers, one of which the path must be for where it must be for any.
    """

    accepted: frozenset[str] = frozenset({ANY_POLICY})
    explicit: bool = False
    no_mapping: bool = False
    no_any: bool = False


@dataclass(frozen=True, slots=True)
class _Node:
    """A policy at this depth: what the next certificate may call it, and what the first CA did."""

    expected: frozenset[str]
    stems_from: frozenset[str]


_TOP: Final = _Node(frozenset({ANY_POLICY}), frozenset({ANY_POLICY}))


@dataclass(slots=True)
class Policies:
    """The state along a path; ``steps``: how many certificates it has."""

    inputs: PolicyInputs
    steps: int
    _level: dict[str, _Node] = field(default_factory=lambda: {ANY_POLICY: _TOP})
    _explicit: int = 0
    _mapping: int = 0
    _any: int = 0

    def __post_init__(self) -> None:
        unlimited = self.steps + 1  # RFC 5280 6.1.2 d, e, f
        self._explicit = 0 if self.inputs.explicit else unlimited
        self._mapping = 0 if self.inputs.no_mapping else unlimited
        self._any = 0 if self.inputs.no_any else unlimited

    def enter(self, certificate: SigningCertificate, *, last: bool) -> str | None:
        """RFC 5280 6.1.3 d to f: why the path ends here, or None."""
        listed = extension(certificate, x509.CertificatePolicies)
        named = {info.policy_identifier.dotted_string for info in listed or ()}
        any_counts = self._any > 0 or (not last and certificate.self_issued)
        self._level = self._next(named, any_counts)
        if self._explicit == 0 and not self._level:
            return "no certificate policy holds along the path, and one must"
        return None

    def _next(self, named: set[str], any_counts: bool) -> dict[str, _Node]:
        found: dict[str, _Node] = {}
        expected: defaultdict[str, set[str]] = defaultdict(set)
        for node in self._level.values():
            for policy in node.expected:
                expected[policy] |= node.stems_from
        wild = ANY_POLICY in self._level
        for policy in named - {ANY_POLICY}:
            if policy in expected:
                found[policy] = _Node(frozenset({policy}), _stem(expected[policy], policy))
            elif wild:
                found[policy] = _Node(frozenset({policy}), frozenset({policy}))
        if ANY_POLICY in named and any_counts:
            for policy, stems in expected.items():
                if policy not in found:
                    found[policy] = _Node(frozenset({policy}), _stem(stems, policy))
        return found

    def leave(self, certificate: SigningCertificate) -> str | None:
        """RFC 5280 6.1.4 a, b, h, i, j, for a CA: why the path ends here, or None."""
        try:
            mappings = _mappings(certificate)
        except Malformed:
            return "its policy mappings cannot be read"
        if ANY_POLICY in mappings or any(ANY_POLICY in to for to in mappings.values()):
            return "its policy mappings name anyPolicy"
        for policy, targets in mappings.items():
            self._map(policy, frozenset(targets))
        if not certificate.self_issued:
            self._explicit = max(0, self._explicit - 1)
            self._mapping = max(0, self._mapping - 1)
            self._any = max(0, self._any - 1)
        self._constrain(certificate)
        return None

    def _map(self, policy: str, targets: frozenset[str]) -> None:
        if self._mapping == 0:
            self._level.pop(policy, None)
        elif policy in self._level:
            self._level[policy] = _Node(targets, self._level[policy].stems_from)
        elif ANY_POLICY in self._level:
            self._level[policy] = _Node(targets, frozenset({policy}))

    def _constrain(self, certificate: SigningCertificate) -> None:
        constraints = extension(certificate, x509.PolicyConstraints)
        if constraints is not None:
            if constraints.require_explicit_policy is not None:
                self._explicit = min(self._explicit, constraints.require_explicit_policy)
            if constraints.inhibit_policy_mapping is not None:
                self._mapping = min(self._mapping, constraints.inhibit_policy_mapping)
        inhibit = extension(certificate, x509.InhibitAnyPolicy)
        if inhibit is not None:
            self._any = min(self._any, inhibit.skip_certs)

    def end(self, leaf: SigningCertificate) -> str | None:
        """RFC 5280 6.1.5 a, b, g: why the path is for no policy that is wanted, or None."""
        explicit = max(0, self._explicit - 1)
        constraints = extension(leaf, x509.PolicyConstraints)
        if constraints is not None and constraints.require_explicit_policy == 0:
            explicit = 0
        if explicit > 0 or any(self._accepted(node) for node in self._level.values()):
            return None
        return "the path holds for no certificate policy that is wanted"

    def _accepted(self, node: _Node) -> bool:
        wanted = self.inputs.accepted
        return ANY_POLICY in wanted or bool(node.stems_from & (wanted | {ANY_POLICY}))


def _stem(stems: set[str], policy: str) -> frozenset[str]:
    """Below anyPolicy a policy is the first of its name."""
    return frozenset(policy if stem == ANY_POLICY else stem for stem in stems)


def _mappings(certificate: SigningCertificate) -> Mapping[str, set[str]]:
    """PolicyMappings (RFC 5280 4.2.1.5): each policy of the issuer with the subject's names for it.

    Raise Malformed when it is none.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    encoded = certificate.raw_extension(_POLICY_MAPPINGS)
    if encoded is not None:
        for mapping in children(read(encoded)):
            fields = Fields(mapping, "PolicyMapping")
            issuers = object_identifier(fields.any("issuerDomainPolicy"))
            found[issuers].add(object_identifier(fields.any("subjectDomainPolicy")))
            fields.end()
    return found
