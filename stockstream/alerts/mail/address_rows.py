"""Addresses of users as rows: asked, confirmed, stopped, forgotten.

Anybody may make themselves a user, so nobody's word counts for an address but that of who reads
its mail. The question itself is mail that nobody has asked for: there are few of them to an
address in a day, whoever asks, and few in all in an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms
from stockstream.users import audit
from stockstream.users.audit import Action
from stockstream.users.rows import RowRefusal

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

MOST_ADDRESSES = 5
"""Of a user."""
QUESTIONS_A_DAY = 3
"""To an address, whoever asks."""
QUESTIONS_AN_HOUR = 300
"""In all: who has many users, and writes to many, is stopped here."""

_COLUMNS = "id, owner, address, created_at, confirmed_at, stopped_at"
_SELECT = f"SELECT {_COLUMNS} FROM mail_addresses "  # noqa: S608 - here and below: columns of ours
_ALL = _SELECT + "WHERE owner = $1 AND deleted_at IS NULL ORDER BY address"
_SAME = _SELECT + "WHERE owner = $1 AND address = $2 AND deleted_at IS NULL"
_ONE = _SELECT + "WHERE id = $1 AND deleted_at IS NULL"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('mail ' || $1))"
_HAS = "SELECT count(*) FROM mail_addresses WHERE owner = $1 AND deleted_at IS NULL"
_REFUSED = "SELECT EXISTS (SELECT FROM mail_refusals WHERE address = lower($1))"
_ASKED = """
SELECT count(*) FROM mail_deliveries d JOIN mail_addresses a ON a.id = address_id
WHERE alert_id IS NULL AND lower(address) = lower($1) AND d.created_at > now() - interval '1 day'
"""
_ASKED_IN_ALL = """
SELECT count(*) FROM (
    SELECT FROM mail_deliveries
    WHERE alert_id IS NULL AND created_at > now() - interval '1 hour' LIMIT $1) found
"""
_ASK = f"""
INSERT INTO mail_addresses (owner, address) VALUES ($1, $2)
ON CONFLICT (owner, address)
DO UPDATE SET created_at = now(), confirmed_at = NULL, stopped_at = NULL, deleted_at = NULL
RETURNING {_COLUMNS}
"""  # noqa: S608
_QUESTION = "INSERT INTO mail_deliveries (address_id) VALUES ($1)"
_CONFIRM = f"""
UPDATE mail_addresses SET confirmed_at = now()
WHERE id = $1 AND deleted_at IS NULL AND stopped_at IS NULL AND confirmed_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608
_STOP = f"""
UPDATE mail_addresses SET stopped_at = now(), confirmed_at = NULL
WHERE id = ANY($1) AND stopped_at IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608
_FORGET = f"""
UPDATE mail_addresses SET deleted_at = now(), confirmed_at = NULL
WHERE id = $1 AND owner = $2 AND deleted_at IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608
_GIVE_UP = """
UPDATE mail_deliveries SET state = 'dead', reason = $2, ended_at = now(), claimed_by = NULL
WHERE address_id = ANY($1) AND state = 'pending'
"""
_REFUSE = """
INSERT INTO mail_refusals (address) SELECT lower(address) FROM mail_addresses WHERE id = $1
ON CONFLICT DO NOTHING
"""
_SAME_ADDRESS = """
SELECT o.id FROM mail_addresses a JOIN mail_addresses o ON lower(o.address) = lower(a.address)
WHERE a.id = $1
"""

MISSING = RowRefusal(None, "there is no such address")
TOO_MANY = RowRefusal("address", f"at most {MOST_ADDRESSES} addresses")
REFUSED = RowRefusal("address", "who reads it wants no mail from here")
ASKED_TOO_OFTEN = RowRefusal(
    "address", f"was asked {QUESTIONS_A_DAY} times within a day: see its mail, also the spam"
)
BUSY = RowRefusal("address", "too many addresses are asked just now: try again in an hour")


class AddressState(StrEnum):
    """Whether alerts go to an address: it was asked, it has confirmed, or wants no more."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    STOPPED = "stopped"


class MailAddress(msgspec.Struct, frozen=True):
    """An address of a user; `since` when it is in this state, in ms: asked for the last time,
    confirmed, or stopped.
    """

    id: int
    address: str
    state: AddressState
    since: int


@dataclass(frozen=True, slots=True)
class FetchAddresses(Query[list[MailAddress]]):
    """A user's addresses."""

    owner: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[MailAddress]:
        """Ask."""
        return [_read(row) for row in await connection.fetch(_ALL, self.owner)]


@dataclass(frozen=True, slots=True)
class FetchAddress(Query[MailAddress | None]):
    """One that a link names."""

    number: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> MailAddress | None:
        """Ask."""
        row = await connection.fetchrow(_ONE, self.number)
        return None if row is None else _read(row)


@dataclass(frozen=True, slots=True)
class AskAddress(Query[MailAddress | RowRefusal]):
    """Have an address asked whether alerts may come; one that has confirmed is not asked again."""

    owner: str
    address: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> MailAddress | RowRefusal:
        """Do it: the letter waits in the queue."""
        async with connection.transaction():
            # One after another, those of a user and those to an address: so the limits hold.
            for what in sorted((self.owner, self.address.lower())):
                await connection.execute(_LOCK, what)
            row = await connection.fetchrow(_SAME, self.owner, self.address)
            if row is not None and row["confirmed_at"] is not None:
                return _read(row)
            refusal = await self._refusal(connection, known=row is not None)
            if refusal is not None:
                return refusal
            before = None if row is None else _read(row)
            row = await connection.fetchrow(_ASK, self.owner, self.address)
            assert row is not None  # noqa: S101 - it returns what it has written
            await connection.execute(_QUESTION, row["id"])
            action = Action.CREATE if before is None else Action.CHANGE
            return await _audited(connection, row, action, before)

    async def _refusal(self, connection: Connection, *, known: bool) -> RowRefusal | None:
        if not known and await connection.fetchval(_HAS, self.owner) >= MOST_ADDRESSES:
            return TOO_MANY
        if await connection.fetchval(_REFUSED, self.address):
            return REFUSED
        if await connection.fetchval(_ASKED, self.address) >= QUESTIONS_A_DAY:
            return ASKED_TOO_OFTEN
        if await connection.fetchval(_ASKED_IN_ALL, QUESTIONS_AN_HOUR) >= QUESTIONS_AN_HOUR:
            return BUSY
        return None


@dataclass(frozen=True, slots=True)
class ForgetAddress(Query[int | RowRefusal]):
    """A user wants nothing to be mailed there any more."""

    owner: str
    number: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> int | RowRefusal:
        """Do it; what waits is given up."""
        async with connection.transaction():
            before = await connection.fetchrow(_ONE, self.number)
            row = await connection.fetchrow(_FORGET, self.number, self.owner)
            if row is None or before is None:
                return MISSING
            await connection.execute(_GIVE_UP, [self.number], "the address was removed")
            await _audited(connection, row, Action.DELETE, _read(before))
            return self.number


@dataclass(frozen=True, slots=True)
class ConfirmAddress(Query[str | None]):
    """Who reads the mail lets alerts come; whose they are, None where that is over."""

    number: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> str | None:
        """Do it; may come twice."""
        async with connection.transaction():
            before = await connection.fetchrow(_ONE, self.number)
            if before is None or before["stopped_at"] is not None:
                return None
            row = await connection.fetchrow(_CONFIRM, self.number)
            if row is not None:
                await _audited(connection, row, Action.CHANGE, _read(before))
            owner: str = before["owner"]
            return owner


@dataclass(frozen=True, slots=True)
class StopAddress(Query[list[str]]):
    """Who reads the mail wants no more of it: of this user, or with `all_of_it` of anybody here,
    not even a question. Whose it was.
    """

    number: int
    all_of_it: bool = False
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> list[str]:
        """Do it; may come twice."""
        async with connection.transaction():
            numbers = [self.number]
            if self.all_of_it:
                await connection.execute(_REFUSE, self.number)
                numbers = [row["id"] for row in await connection.fetch(_SAME_ADDRESS, self.number)]
            stopped = await connection.fetch(_STOP, numbers)
            for row in stopped:
                await _audited(connection, row, Action.CHANGE)
            await connection.execute(_GIVE_UP, numbers, "who reads it wants no more")
            return [row["owner"] for row in stopped]


async def _audited(
    connection: Connection, row: Row, action: Action, before: MailAddress | None = None
) -> MailAddress:
    """The row as it is now. Its entry is of its user, also where who reads the mail has done it:
    what they may do is no more than a word on that user's rows.
    """
    after = _read(row)
    await audit.write(
        connection,
        row["owner"],
        "mail_addresses",
        after.id,
        action,
        before=before,
        after=None if action is Action.DELETE else after,
    )
    return after


def _read(row: Row) -> MailAddress:
    state, since = AddressState.ASKED, row["created_at"]
    if row["stopped_at"] is not None:
        state, since = AddressState.STOPPED, row["stopped_at"]
    elif row["confirmed_at"] is not None:
        state, since = AddressState.CONFIRMED, row["confirmed_at"]
    return MailAddress(row["id"], row["address"], state, to_ms(since))
