"""Links that give a copy of a list to whoever opens them, until they are ended or expire.

The token of a link is random and is told once; its SHA-256 is kept. What it shows is the list as it
is when it is opened: its name, its symbols, its sections, and nothing else of its owner.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.times import to_datetime, to_ms
from stockstream.users.rows import OwnedRow, OwnedTable, RowRefusal
from stockstream.users.sections import Section, arranged

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

MOST_SHARES = 50
MOST_DAYS = 365
_TOKEN_BYTES = 24
TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")

_IS_MINE = "SELECT id FROM watchlists WHERE id = $1 AND owner = $2 AND deleted_at IS NULL"
_OPEN = """
SELECT s.deleted_at IS NOT NULL, coalesce(s.expires_at <= now(), false), w.deleted_at IS NOT NULL,
       w.name, w.symbols, w.sections
FROM list_shares s JOIN watchlists w ON w.id = s.watchlist_id WHERE token_hash = $1
"""
NO_LINK = "this link leads to no list"


class Share(OwnedRow, frozen=True):
    """A link, without its token. Times in ms since 1970."""

    watchlist: int
    name: str
    created: int
    expires: int | None


class WantedShare(msgspec.Struct, frozen=True):
    """A link to be made."""

    watchlist: int
    token_hash: bytes
    expires: int | None


class SharedList(msgspec.Struct, frozen=True):
    """What a link shows."""

    name: str
    symbols: list[str]
    sections: list[Section]


class Ended(msgspec.Struct, frozen=True):
    """Why a link shows nothing any more."""

    reason: str


class Shares(OwnedTable[Share, WantedShare]):
    """The links of all users. One that is deleted shows nothing, and is not brought back."""

    name = "list_shares"
    columns = (
        "id, watchlist_id, (SELECT name FROM watchlists w WHERE w.id = watchlist_id), "
        "created_at, expires_at"
    )
    order = "id DESC"
    most = MOST_SHARES
    missing = RowRefusal(None, "there is no such link")
    too_many = RowRefusal("shares", f"at most {MOST_SHARES} links; end one first")

    def read(self, row: Row) -> Share:
        """A row as a link."""
        number, watchlist, name, created, expires = list(row.values())[:5]
        ends = None if expires is None else to_ms(expires)
        return Share(number, watchlist, name, to_ms(created), ends)

    def values(self, said: Share | WantedShare) -> dict[str, object]:
        """What is written of it."""
        expires = None if said.expires is None else to_datetime(said.expires)
        values: dict[str, object] = {"watchlist_id": said.watchlist, "expires_at": expires}
        if isinstance(said, WantedShare):
            values["token_hash"] = said.token_hash
        return values

    async def clash(
        self, connection: Connection, owner: str, said: Share | WantedShare, but: int
    ) -> RowRefusal | None:
        """The list is not there, or somebody else's."""
        del but
        if await connection.fetchval(_IS_MINE, said.watchlist, owner) is None:
            return RowRefusal("watchlist", "there is no such list")
        return None


SHARES = Shares()


@dataclass(frozen=True, slots=True)
class OpenShare(Query["SharedList | Ended | None"]):
    """What a link shows, or why it does not; None for one that never was, or ended long ago."""

    token: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> SharedList | Ended | None:
        """Ask."""
        row = await connection.fetchrow(_OPEN, hash_of(self.token))
        if row is None:
            return None
        ended, expired, deleted, name, said, told = row.values()
        if ended:
            return Ended("who shared this list has ended its link")
        if expired:
            return Ended("this link has expired")
        if deleted:
            return Ended("who shared this list has deleted it")
        return SharedList(name, *arranged(said, msgspec.json.decode(told, type=list[Section])))


def new_token() -> str:
    """The token of a link: nobody guesses it."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()
