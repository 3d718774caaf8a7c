"""Credentials: what a request is known by, a session or an API token; both found by their digests.

A digest is the SHA-256 of the secret. Whether a credential lives is decided by the database, by its
own clock: the one that has all of them. How long it has still is told in seconds, so a wrong clock
here makes nobody's session longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from stockstream.credential_keys import CredentialKey
from stockstream.database.query import Purpose, Query
from stockstream.times import Moment
from stockstream.users.roles import SCOPES, Role, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.database.query import Connection

TOUCH_SECONDS = 60.0
"""How often it is written down that a credential is used."""
NEVER = Moment(-math.inf)

_FIND = """
WITH living AS (
    SELECT s.digest, 'session' AS kind, s.id, s.account_id, NULL::text[] AS scopes,
        least(s.expires_at, s.seen_at + make_interval(secs => $2)) AS ends
    FROM user_sessions s WHERE s.digest = ANY($1) AND s.ended_at IS NULL
    UNION ALL
    SELECT t.digest, 'token', t.id, t.account_id, t.scopes, t.expires_at
    FROM user_tokens t WHERE t.digest = ANY($1) AND t.revoked_at IS NULL
)
SELECT l.digest, l.kind, l.id, l.account_id, a.name, a.role, a.must_change, l.scopes,
    (date_part('epoch', l.ends) * 1000)::bigint, date_part('epoch', l.ends - now())
FROM living l JOIN user_accounts a ON a.id = l.account_id
WHERE a.disabled_at IS NULL AND l.ends > now()
"""


class Credential(msgspec.Struct, frozen=True):
    """A living session or API token, and what it allows now.

    A token has those of its scopes that the account's role has. It ends at `expires_ms` (ms since
    1970) unless it is used before, where that prolongs it. With `must_change` the account has to
    change its password first.
    """

    key: CredentialKey
    account_id: int
    account_name: str
    role: Role
    scopes: frozenset[Scope]
    expires_ms: int
    must_change: bool

    @property
    def kind(self) -> str:
        """`session` or `token`."""
        return self.key.kind

    @property
    def id(self) -> int:
        """Its number in the database."""
        return self.key.id

    def allows_as(self, other: Credential) -> bool:
        """Whether it allows the same as another one does."""
        return (self.role, self.scopes, self.must_change) == (
            other.role,
            other.scopes,
            other.must_change,
        )


class Found(NamedTuple):
    """A credential, and the seconds that it has still."""

    credential: Credential
    seconds: float


class Known(NamedTuple):
    """A row of the table `credentials`: a credential as the database last confirmed it.

    It was asked for at `confirmed`; it ends at `ends` whatever happens. Somebody came with it at
    `used`, which was written down at `touched`. With `doubt` its account has changed since.
    """

    credential: Credential
    confirmed: Moment
    ends: Moment
    used: Moment
    touched: Moment
    doubt: bool = False


class Held(NamedTuple):
    """A row of the table `socket_credentials`: what an open WebSocket, or a stream of events,
    was let in by.
    """

    digest: bytes
    key: CredentialKey


@dataclass(frozen=True, slots=True)
class FindCredentials(Query["Mapping[bytes, Found]"]):
    """Those of the digests that are living credentials. A session dies `idle` seconds after it was
    last used.
    """

    digests: tuple[bytes, ...]
    idle: float
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Mapping[bytes, Found]:
        """Ask."""
        rows = await connection.fetch(_FIND, list(self.digests), self.idle)
        found = {}
        for row in rows:
            digest, kind, number, account, name, said, must_change, scopes, ends, seconds = list(
                row
            )
            role = Role(said)
            credential = Credential(
                CredentialKey(kind, number),
                account,
                name,
                role,
                SCOPES[role] if scopes is None else SCOPES[role] & _scopes(scopes),
                ends,
                must_change,
            )
            found[digest] = Found(credential, seconds)
        return found


def _scopes(names: list[str]) -> frozenset[Scope]:
    """Those that this version knows: a newer one may have given others."""
    known = {scope.value for scope in Scope}
    return frozenset(Scope(name) for name in names if name in known)


@dataclass(frozen=True, slots=True)
class TouchCredentials(Query[None]):
    """Write down that they were used just now; at most once a minute each, and only living ones."""

    keys: tuple[CredentialKey, ...]
    idle: float
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Write it."""
        sessions = [key.id for key in self.keys if key.kind == "session"]
        tokens = [key.id for key in self.keys if key.kind == "token"]
        if sessions:
            await connection.execute(
                "UPDATE user_sessions SET seen_at = now() WHERE id = ANY($1) AND ended_at IS NULL "
                "AND seen_at <= now() - make_interval(secs => $2) "
                "AND seen_at + make_interval(secs => $3) > now()",
                sessions,
                TOUCH_SECONDS,
                self.idle,
            )
        if tokens:
            await connection.execute(
                "UPDATE user_tokens SET used_at = now() WHERE id = ANY($1) AND revoked_at IS NULL "
                "AND (used_at IS NULL OR used_at <= now() - make_interval(secs => $2))",
                tokens,
                TOUCH_SECONDS,
            )
