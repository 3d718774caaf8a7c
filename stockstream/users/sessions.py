"""Sessions: logins of browsers, as reference tokens. Of a token only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from stockstream.credential_keys import CredentialKey
from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms
from stockstream.users import operator_audit
from stockstream.users.accounts import end_sessions_of

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row
    from stockstream.users.operator_audit import Author

TOKEN_BYTES = 32
TOKEN_LENGTH = 43
"""Of a session's token, as text."""
LONGEST_ADDRESS = 64
LONGEST_AGENT = 256

How = Literal["password", "oidc"]

_COLUMNS = """
s.id, s.account_id, a.name, s.how, s.created_at, s.seen_at,
least(s.expires_at, s.seen_at + make_interval(secs => $1)), s.address, s.agent
"""
_LIVING = """
FROM user_sessions s JOIN user_accounts a ON a.id = s.account_id
WHERE s.ended_at IS NULL AND a.disabled_at IS NULL
AND s.expires_at > now() AND s.seen_at + make_interval(secs => $1) > now()
"""
# An account that was disabled, or given another password, since it was looked up lets nobody in.
_OPEN = """
INSERT INTO user_sessions (digest, account_id, how, expires_at, address, agent)
SELECT $2, a.id, $4, now() + make_interval(secs => $5), $6, $7
FROM user_accounts a
WHERE a.id = $3 AND a.disabled_at IS NULL
    AND ($8::integer IS NULL OR a.password_number = $8)
FOR SHARE
RETURNING id, account_id, (SELECT name FROM user_accounts WHERE id = account_id), how, created_at,
    seen_at, least(expires_at, seen_at + make_interval(secs => $1)), address, agent
"""


class Session(msgspec.Struct, frozen=True):
    """A session; times in ms since 1970. It `expires` then if it is not used before."""

    id: int
    account_id: int
    account_name: str
    how: How
    created: int
    seen: int
    expires: int
    address: str
    agent: str

    @property
    def key(self) -> CredentialKey:
        """Its name as a credential."""
        return CredentialKey("session", self.id)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Seconds: a session ends `idle` after its last use, and `lifetime` after the login."""

    idle: float = 12 * 3600.0
    lifetime: float = 7 * 86_400.0


def new_token() -> str:
    """A token of a new session: the secret that the browser's cookie holds."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _read(row: Row) -> Session:
    number, account, name, how, created, seen, expires, address, agent = list(row.values())
    return Session(
        number,
        account,
        name,
        how,
        to_ms(created),
        to_ms(seen),
        to_ms(expires),
        address,
        agent,
    )


@dataclass(frozen=True, slots=True)
class OpenSession(Query["Session | None"]):
    """Begin a session of an account; where it logs in by a password, by that of the number that
    was verified. None where it may not log in any more: disabled, or the password is another now.
    """

    digest: bytes
    account_id: int
    how: How
    address: str
    agent: str
    limits: SessionLimits
    author: Author
    password_number: int | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Session | None:
        """Begin it."""
        async with connection.transaction():
            row = await connection.fetchrow(
                _OPEN,
                self.limits.idle,
                self.digest,
                self.account_id,
                self.how,
                self.limits.lifetime,
                self.address[:LONGEST_ADDRESS],
                self.agent[:LONGEST_AGENT],
                self.password_number,
            )
            if row is None:
                return None
            opened = _read(row)
            entry = self.author.entry("session.open", str(opened.key), after={"how": self.how})
            await operator_audit.write(connection, entry)
            return opened


@dataclass(frozen=True, slots=True)
class ListSessions(Query[list[Session]]):
    """The living sessions of an account, or of all: the last used first."""

    limits: SessionLimits
    account_id: int | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[Session]:
        """Ask."""
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} {_LIVING} AND ($2::bigint IS NULL OR s.account_id = $2) "
            "ORDER BY s.seen_at DESC, s.id DESC",
            self.limits.idle,
            self.account_id,
        )
        return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class EndSessions(Query[tuple[CredentialKey, ...]]):
    """End sessions by their `ids`, those of one account only where `account_id` is set; without
    ids, all of that account, except the one that is `but`. Returns which have ended now.

    Raises ValueError, where it is made, for neither: nobody ends all sessions by leaving out words.
    """

    author: Author
    ids: tuple[int, ...] | None = None
    account_id: int | None = None
    but: int | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    def __post_init__(self) -> None:
        if self.ids is None and self.account_id is None:
            raise ValueError("which sessions are to end is not said: ids, or an account")

    async def run(self, connection: Connection) -> tuple[CredentialKey, ...]:
        """End them."""
        async with connection.transaction():
            if self.ids is None:
                assert self.account_id is not None  # noqa: S101 - for the type checker
                ended = await end_sessions_of(connection, self.account_id, but=self.but)
            else:
                rows = await connection.fetch(
                    "UPDATE user_sessions SET ended_at = now() WHERE id = ANY($1) "
                    "AND ended_at IS NULL AND ($2::bigint IS NULL OR account_id = $2) RETURNING id",
                    list(self.ids),
                    self.account_id,
                )
                ended = tuple(CredentialKey("session", row[0]) for row in rows)
            entries = [self.author.entry("session.end", str(key)) for key in ended]
            await operator_audit.write(connection, *entries)
            return ended
