"""Credentials that have ended, and accounts that were changed: as nodes tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cluster.wire import MOST_REVOKED, Revoked
from stockstream.credential_keys import CredentialKey
from stockstream.messages import AccountChanged, CredentialsEnded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.shards import NodeId


def revoked(me: NodeId, ended: CredentialsEnded) -> Iterator[Revoked]:
    """What the other nodes are told of credentials that ended."""
    for start in range(0, len(ended.keys), MOST_REVOKED):
        keys = ended.keys[start : start + MOST_REVOKED]
        yield Revoked(
            name=me.name,
            boot=me.boot,
            sessions=tuple(key.id for key in keys if key.kind == "session"),
            tokens=tuple(key.id for key in keys if key.kind == "token"),
        )


def heard_of(message: Revoked) -> Iterator[CredentialsEnded | AccountChanged]:
    """What the doorkeeper is told of what another node said."""
    keys = [
        *(CredentialKey("session", number) for number in message.sessions),
        *(CredentialKey("token", number) for number in message.tokens),
    ]
    if keys:
        yield CredentialsEnded(tuple(keys), heard=True)
    for number in message.accounts:
        yield AccountChanged(number, heard=True)
