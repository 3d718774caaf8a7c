"""Accounts: a person's row, how it is found, made and changed.

Each change writes the operators' audit in its transaction. A change after which credentials are no
good any more returns them, so that its caller can tell the doorkeeper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from unicodedata import normalize

import msgspec

from stockstream.credential_keys import CredentialKey
from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms
from stockstream.users import operator_audit
from stockstream.users.roles import Role
from stockstream.users.rows import RowRefusal

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row
    from stockstream.users.operator_audit import Author

LONGEST_NAME = 60
LONGEST_SUBJECT = 255
"""As OpenID Connect has it."""

MISSING = RowRefusal(None, "there is no such account")
NAME_TAKEN = RowRefusal("name", "another account has this name")
LAST_ADMIN = RowRefusal("role", "this is the last account that may look after accounts")
NO_PASSWORD = RowRefusal("password", "this account logs in elsewhere and has no password")

_COLUMNS = (
    "id, name, role, password_hash IS NOT NULL, must_change, issuer, subject, "
    "disabled_at, created_at"
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('user_accounts', 0))"
_OTHER_ADMINS = """
SELECT count(*) FROM user_accounts WHERE role = 'admin' AND disabled_at IS NULL AND id <> $1
"""


class Account(msgspec.Struct, frozen=True):
    """An account. Its password is here or, with an `issuer`, it is `subject` there, or both.

    Times in ms since 1970; `disabled` is None where it may log in. With `must_change` it can do
    nothing but change its password.
    """

    id: int
    name: str
    role: Role
    has_password: bool
    must_change: bool
    issuer: str | None
    subject: str | None
    disabled: int | None
    created: int


class FoundForLogin(NamedTuple):
    """An account, the hash of its password where it has one, and which password of it that is."""

    account: Account
    password_hash: str | None
    password_number: int


class Changed(NamedTuple):
    """An account after a change, and the sessions that ended with it."""

    account: Account
    ended: tuple[CredentialKey, ...] = ()


def owner_of(account_id: int) -> str:
    """The owner of an account's rows: lists, rules, alerts."""
    return f"account:{account_id}"


def check_name(name: str) -> str:
    """A name as it is kept: no spaces around it, and letters with their accents as one character
    each (NFC), however they were typed.

    Raises:
        ValueError: an account may not have it; the text says why.
    """
    name = normalize("NFC", name.strip())
    if not name:
        raise ValueError("a name is needed")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"at most {LONGEST_NAME} characters")
    if not name.isprintable():
        raise ValueError("only characters that can be seen")
    return name


def _read(row: Row) -> Account:
    number, name, role, has_password, must_change, issuer, subject, disabled, created = list(
        row.values()
    )[:9]
    return Account(
        number,
        name,
        Role(role),
        has_password,
        must_change,
        issuer,
        subject,
        None if disabled is None else to_ms(disabled),
        to_ms(created),
    )


@dataclass(frozen=True, slots=True)
class ListAccounts(Query[list[Account]]):
    """All accounts, by name."""

    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[Account]:
        """Ask."""
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM user_accounts ORDER BY lower(name)"  # noqa: S608 - names of ours
        )
        return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class FindAccount(Query["Account | None"]):
    """An account by its id, or by its name in any case."""

    id: int | None = None
    name: str | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Account | None:
        """Ask."""
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM user_accounts "  # noqa: S608 - names of ours
            "WHERE id = $1 OR lower(name) = lower($2)",
            self.id,
            None if self.name is None else normalize("NFC", self.name),
        )
        return None if row is None else _read(row)


@dataclass(frozen=True, slots=True)
class FindForLogin(Query["FoundForLogin | None"]):
    """An account by its name, with the hash of its password; a disabled one, too: who logs in is
    told so only after the password was found right.

    The name may be in any case, as far as the database knows of case: in the locale C it does of
    ASCII alone. So the name as it was given comes first, and only then what it is in lower case
    here: no name is found by more spellings than its limit of guesses is counted by.
    """

    name: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> FoundForLogin | None:
        """Ask."""
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS}, password_hash, password_number "  # noqa: S608 - names of ours
            "FROM user_accounts WHERE name = $1 OR lower(name) = lower($2) "
            "ORDER BY name = $1 DESC LIMIT 1",
            self.name,
            self.name.lower(),
        )
        if row is None:
            return None
        return FoundForLogin(_read(row), row["password_hash"], row["password_number"])


@dataclass(frozen=True, slots=True)
class CreateAccount(Query["Account | RowRefusal"]):
    """Make an account; its name was checked, and its password hashed."""

    author: Author
    name: str
    role: Role
    password_hash: str | None
    must_change: bool = False
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Account | RowRefusal:
        """Make it."""
        async with connection.transaction():
            made = await _insert(
                connection, self.name, self.role, self.password_hash, self.must_change
            )
            if made is None:
                return NAME_TAKEN
            await _audit(connection, self.author, "account.create", made.name, after=made)
            return made


async def _insert(
    connection: Connection,
    name: str,
    role: Role,
    password_hash: str | None = None,
    must_change: bool = False,
    issuer: str | None = None,
    subject: str | None = None,
) -> Account | None:
    """The account made; None where there is one already by that name or subject."""
    row = await connection.fetchrow(
        "INSERT INTO user_accounts (name, role, password_hash, must_change, issuer, subject) "  # noqa: S608
        f"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
        name,
        role.value,
        password_hash,
        must_change,
        issuer,
        subject,
    )
    return None if row is None else _read(row)


@dataclass(frozen=True, slots=True)
class FindOrCreateBySubject(Query["Account"]):
    """The account that is `subject` at `issuer`; made at the first login, with a name that no other
    one has. Its role follows what the issuer says, where `role_follows`.

    A name that is taken becomes "name (2)": nobody gets an account by having its name elsewhere.
    """

    author: Author
    issuer: str
    subject: str
    name: str
    role: Role
    role_follows: bool = True
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Account:
        """Find it, or make it."""
        async with connection.transaction():
            await connection.execute(_LOCK)
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM user_accounts "  # noqa: S608 - names of ours
                "WHERE issuer = $1 AND subject = $2",
                self.issuer,
                self.subject,
            )
            if row is None:
                return await self._make(connection)
            found = _read(row)
            if not self.role_follows or found.role is self.role:
                return found
            return await _set_role(connection, self.author, found, self.role)

    async def _make(self, connection: Connection) -> Account:
        number, name = 1, self.name
        while True:
            made = await _insert(
                connection, name, self.role, issuer=self.issuer, subject=self.subject
            )
            if made is not None:
                await _audit(connection, self.author, "account.create", made.name, after=made)
                return made
            number += 1
            suffix = f" ({number})"
            name = self.name[: LONGEST_NAME - len(suffix)] + suffix


@dataclass(frozen=True, slots=True)
class SetRole(Query["Account | RowRefusal"]):
    """Give an account another role. Its credentials go on, with what the new one allows."""

    author: Author
    id: int
    role: Role
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Account | RowRefusal:
        """Set it."""
        async with connection.transaction():
            before = await _locked(connection, self.id)
            if isinstance(before, RowRefusal) or before.role is self.role:
                return before
            if await _is_last_admin(connection, before):
                return LAST_ADMIN
            return await _set_role(connection, self.author, before, self.role)


@dataclass(frozen=True, slots=True)
class SetDisabled(Query["Changed | RowRefusal"]):
    """Let an account in no more, and end all of its sessions; or let it in again."""

    author: Author
    id: int
    disabled: bool
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Changed | RowRefusal:
        """Set it."""
        async with connection.transaction():
            before = await _locked(connection, self.id)
            if isinstance(before, RowRefusal):
                return before
            if (before.disabled is not None) == self.disabled:
                return Changed(before)
            if self.disabled and await _is_last_admin(connection, before):
                return LAST_ADMIN
            value = "now()" if self.disabled else "NULL"
            now = await _set(connection, self.id, f"disabled_at = {value}")
            ended = await end_sessions_of(connection, self.id) if self.disabled else ()
            action = "account.disable" if self.disabled else "account.enable"
            await _audit(connection, self.author, action, now.name)
            return Changed(now, ended)


@dataclass(frozen=True, slots=True)
class SetPassword(Query["Changed | RowRefusal"]):
    """Give an account another password, as hashed, and end its sessions but `but`."""

    author: Author
    id: int
    password_hash: str
    must_change: bool = False
    but: int | None = None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Changed | RowRefusal:
        """Set it."""
        async with connection.transaction():
            before = await _locked(connection, self.id)
            if isinstance(before, RowRefusal):
                return before
            if before.issuer is not None and not before.has_password:
                return NO_PASSWORD
            now = await _set(
                connection,
                self.id,
                "password_hash = $2, must_change = $3, password_number = password_number + 1",
                self.password_hash,
                self.must_change,
            )
            ended = await end_sessions_of(connection, self.id, but=self.but)
            action = "account.reset" if self.must_change else "account.password"
            await _audit(connection, self.author, action, now.name)
            return Changed(now, ended)


@dataclass(frozen=True, slots=True)
class SetRehashed(Query[None]):
    """Keep the same password hashed anew, if it was not changed meanwhile: no change to be told."""

    id: int
    before: str
    password_hash: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Set it."""
        await connection.execute(
            "UPDATE user_accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
            self.id,
            self.before,
            self.password_hash,
        )


async def end_sessions_of(
    connection: Connection, account_id: int, *, but: int | None = None
) -> tuple[CredentialKey, ...]:
    """End an account's sessions, except one, in the caller's transaction; which have ended."""
    rows = await connection.fetch(
        "UPDATE user_sessions SET ended_at = now() "
        "WHERE account_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2 RETURNING id",
        account_id,
        but,
    )
    return tuple(CredentialKey("session", row[0]) for row in rows)


async def _locked(connection: Connection, number: int) -> Account | RowRefusal:
    """The account, until the transaction ends. Changes of accounts come one after another: two
    that disable the last two admins see each other.
    """
    await connection.execute(_LOCK)
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM user_accounts WHERE id = $1 FOR UPDATE",  # noqa: S608 - as above
        number,
    )
    return MISSING if row is None else _read(row)


async def _is_last_admin(connection: Connection, account: Account) -> bool:
    if account.role is not Role.ADMIN or account.disabled is not None:
        return False
    return not await connection.fetchval(_OTHER_ADMINS, account.id)


async def _set(connection: Connection, number: int, what: str, *values: object) -> Account:
    row = await connection.fetchrow(
        f"UPDATE user_accounts SET {what}, changed_at = now() "  # noqa: S608 - as above
        f"WHERE id = $1 RETURNING {_COLUMNS}",
        number,
        *values,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return _read(row)


async def _set_role(connection: Connection, author: Author, before: Account, role: Role) -> Account:
    now = await _set(connection, before.id, "role = $2", role.value)
    await _audit(connection, author, "account.role", now.name, before=before.role, after=role)
    return now


async def _audit(
    connection: Connection,
    author: Author,
    action: str,
    target: str,
    *,
    before: object = None,
    after: object = None,
) -> None:
    entry = author.entry(action, target, before=before, after=after)
    await operator_audit.write(connection, entry)
