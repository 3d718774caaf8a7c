"""Which settings of two nodes differ that must be the same, told without telling them.

A node tells an HMAC of each under `SECRET_KEY_BASE`: equal ones are equal settings, and nobody
learns a password from them.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "SECRET_KEY_BASE"  # noqa: S105  the name of a setting
PROVIDERS = "PROVIDERS and their files"
"""Not `PROVIDERS`: under that name earlier versions tell what comes with the program, too, which is
other in each version, so that no node could join while one of another version was there."""
MUST_BE_EQUAL = frozenset({SECRET, "STOCK_API_URL", PROVIDERS, "FETCH_SHARDS"})
"""A node with another source, or other shards, would give wrong prices. With another secret nobody
can tell whether it has."""


def fingerprints(secret: str, settings: Mapping[str, str]) -> dict[str, str]:
    """What a heartbeat tells of `settings`, by their names; the secret itself is one more."""
    told = {**settings, SECRET: secret}
    return {
        name: hmac.new(secret.encode(), f"{name}\0{value}".encode(), "sha256").hexdigest()[:32]
        for name, value in told.items()
    }


def differing(mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """The settings that both tell and that are not the same.

    Under different secrets all HMACs differ and say nothing, so only the secret is named.
    """
    names = tuple(sorted(name for name in mine.keys() & theirs if mine[name] != theirs[name]))
    return (SECRET,) if SECRET in names else names
