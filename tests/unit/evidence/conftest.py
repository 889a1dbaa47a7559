"""The same keys and certificates as the tests of signing have."""

from __future__ import annotations

from tests.unit.signing.conftest import pki

__all__ = ["pki"]
