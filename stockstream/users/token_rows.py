"""API tokens as rows: made, listed, revoked. Of a token only the SHA-256 is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.credential_keys import CredentialKey
from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms
from stockstream.users import operator_audit
from stockstream.users.accounts import MISSING as NO_ACCOUNT
from stockstream.users.roles import SCOPES, Role, Scope
from stockstream.users.rows import RowRefusal

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row
    from stockstream.users.api_tokens import NewToken
    from stockstream.users.operator_audit import Author

MOST_TOKENS = 50
"""Living ones of an account."""
LONGEST_NAME = 60
USUAL_DAYS, MOST_DAYS = 90.0, 366.0
DAY_SECONDS = 86_400.0

MISSING = RowRefusal(None, "there is no such token")
TOO_MANY = RowRefusal("tokens", f"at most {MOST_TOKENS} tokens that can be used; revoke one")
DISABLED = RowRefusal("account", "this account is disabled")
MADE_BEFORE = RowRefusal("key", "this token was made before")

_COLUMNS = """
t.id, t.key, t.account_id, a.name, a.role, t.name, t.scopes, t.created_at, t.expires_at, t.used_at,
t.revoked_at
"""
_TOKENS = f"SELECT {_COLUMNS} FROM user_tokens t JOIN user_accounts a ON a.id = t.account_id"  # noqa: S608 - columns of ours
_LIVING = """
SELECT count(*) FROM user_tokens
WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > now()
"""


class ApiToken(msgspec.Struct, frozen=True):
    """A token; times in ms since 1970. `scopes` are those that it was given: of these it has those
    that its account's role has.
    """

    id: int
    key: str
    account_id: int
    account_name: str
    role: Role
    name: str
    scopes: tuple[str, ...]
    created: int
    expires: int
    used: int | None
    revoked: int | None

    @property
    def credential(self) -> CredentialKey:
        """Its name as a credential."""
        return CredentialKey("token", self.id)


def check_name(name: str) -> str:
    """A name as it is kept.

    Raises:
        ValueError: a token may not have it; the text says why.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"1 to {LONGEST_NAME} printable characters")
    return name


def _read(row: Row) -> ApiToken:
    number, key, account, who, role, name, scopes, created, expires, used, revoked = row.values()
    return ApiToken(
        number,
        key,
        account,
        who,
        Role(role),
        name,
        tuple(scopes),
        to_ms(created),
        to_ms(expires),
        None if used is None else to_ms(used),
        None if revoked is None else to_ms(revoked),
    )


@dataclass(frozen=True, slots=True)
class CreateToken(Query["ApiToken | RowRefusal"]):
    """Make a token of an account, whose name was checked, for so many seconds.

    Its scopes must be some that the account's role has. Of a key only one is made: asked twice,
    the second time is refused.
    """

    author: Author
    account_id: int
    name: str
    scopes: frozenset[Scope]
    seconds: float
    token: NewToken
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> ApiToken | RowRefusal:
        """Make it."""
        async with connection.transaction():
            # The account is locked, so that two at once do not make one more than it may have.
            account = await connection.fetchrow(
                "SELECT role, disabled_at FROM user_accounts WHERE id = $1 FOR UPDATE",
                self.account_id,
            )
            if account is None:
                return NO_ACCOUNT
            if account["disabled_at"] is not None:
                return DISABLED
            role = Role(account["role"])
            beyond = sorted(self.scopes - SCOPES[role])
            if beyond:
                why = f"the role {role.value} has no {', '.join(beyond)}"
                return RowRefusal("scopes", why)
            count = await connection.fetchval(_LIVING, self.account_id)
            if count >= MOST_TOKENS:
                return TOO_MANY
            number = await connection.fetchval(
                "INSERT INTO user_tokens (key, digest, account_id, name, scopes, expires_at) "
                "VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6)) "
                "ON CONFLICT (key) DO NOTHING RETURNING id",
                self.token.key,
                self.token.digest,
                self.account_id,
                self.name,
                sorted(self.scopes),
                self.seconds,
            )
            if number is None:
                return MADE_BEFORE
            made = await _find(connection, number)
            entry = self.author.entry(
                "token.create",
                f"{made.account_name} {made.key}",
                after={"name": made.name, "scopes": made.scopes, "expires": made.expires},
            )
            await operator_audit.write(connection, entry)
            return made


@dataclass(frozen=True, slots=True)
class ListTokens(Query[list[ApiToken]]):
    """The tokens of an account, or of all, the newest first; those that ended, too, unless only
    `living` ones are asked for.
    """

    account_id: int | None = None
    living: bool = False
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[ApiToken]:
        """Ask."""
        rows = await connection.fetch(
            f"{_TOKENS} WHERE ($1::bigint IS NULL OR t.account_id = $1) "
            "AND (NOT $2 OR t.revoked_at IS NULL AND t.expires_at > now()) ORDER BY t.id DESC",
            self.account_id,
            self.living,
        )
        return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class RevokeToken(Query["ApiToken | RowRefusal"]):
    """Revoke a token by its key, of one account only where that is given.

    One that was revoked before, or has expired, is answered as it is. Afterwards the doorkeeper is
    told by `CredentialsEnded`.
    """

    author: Author
    key: str
    account_id: int | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> ApiToken | RowRefusal:
        """Revoke it."""
        async with connection.transaction():
            row = await connection.fetchrow(
                "SELECT id, revoked_at FROM user_tokens WHERE key = $1 "
                "AND ($2::bigint IS NULL OR account_id = $2) FOR UPDATE",
                self.key,
                self.account_id,
            )
            if row is None:
                return MISSING
            if row["revoked_at"] is None:
                await connection.execute(
                    "UPDATE user_tokens SET revoked_at = now() WHERE id = $1", row["id"]
                )
            token = await _find(connection, row["id"])
            if row["revoked_at"] is None:
                entry = self.author.entry("token.revoke", f"{token.account_name} {token.key}")
                await operator_audit.write(connection, entry)
            return token


async def _find(connection: Connection, number: int) -> ApiToken:
    row = await connection.fetchrow(f"{_TOKENS} WHERE t.id = $1", number)
    assert row is not None  # noqa: S101 - it was locked or made in this transaction
    return _read(row)
