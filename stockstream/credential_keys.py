"""Which credential: a session or an API token, by its number in the database.

It may be told to all nodes, and to logs: it lets nobody in.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class CredentialKey(NamedTuple):
    """See the module."""

    kind: Literal["session", "token"]
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"
