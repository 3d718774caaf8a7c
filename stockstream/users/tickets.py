"""Tickets: for a WebSocket whose handshake can show neither a cookie nor a header.

One is got by a request that can, and stands in the address of the handshake. Addresses are logged
by proxies, so it is good once, for half a minute, and is taken by deleting its row.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stockstream.database.query import Purpose, Query
from stockstream.users.sessions import digest_of

if TYPE_CHECKING:
    from stockstream.credential_keys import CredentialKey
    from stockstream.database.query import Connection

TICKET_SECONDS = 30.0
TICKET_BYTES = 32
TICKET_LENGTH = 43
MOST_OF_ONE = 100
"""Unused tickets of one credential; the oldest go."""

_CREATE = """
INSERT INTO user_tickets (digest, session_id, token_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
"""
_TIDY = """
DELETE FROM user_tickets WHERE expires_at <= now() OR digest IN (
    SELECT digest FROM user_tickets
    WHERE session_id IS NOT DISTINCT FROM $1 AND token_id IS NOT DISTINCT FROM $2
    ORDER BY expires_at DESC OFFSET $3)
"""
# Whoever deletes it has it: two who come with one ticket wait for each other's row.
_TAKE = """
WITH taken AS (
    DELETE FROM user_tickets WHERE digest = $1 RETURNING session_id, token_id, expires_at)
SELECT CASE WHEN session_id IS NULL THEN 'token' ELSE 'session' END,
    coalesce(s.digest, t.digest)
FROM taken LEFT JOIN user_sessions s ON s.id = session_id LEFT JOIN user_tokens t ON t.id = token_id
WHERE taken.expires_at > now()
"""


class Behind(NamedTuple):
    """What a ticket stands for: the kind of a credential, and its digest. It may have ended."""

    kind: str
    digest: bytes


def new_ticket() -> str:
    """A ticket; `digest_of` it is kept."""
    return secrets.token_urlsafe(TICKET_BYTES)


@dataclass(frozen=True, slots=True)
class CreateTicket(Query[None]):
    """Keep a ticket for a living credential."""

    ticket: str
    credential: CredentialKey
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Keep it, and tidy up."""
        session = self.credential.id if self.credential.kind == "session" else None
        token = self.credential.id if self.credential.kind == "token" else None
        async with connection.transaction():
            await connection.execute(_TIDY, session, token, MOST_OF_ONE - 1)
            await connection.execute(
                _CREATE, digest_of(self.ticket), session, token, TICKET_SECONDS
            )


@dataclass(frozen=True, slots=True)
class TakeTicket(Query["Behind | None"]):
    """Use a ticket up; None where there is none, or it came too late, or was used before."""

    ticket: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Behind | None:
        """Take it."""
        row = await connection.fetchrow(_TAKE, digest_of(self.ticket))
        return None if row is None or row[1] is None else Behind(row[0], row[1])
