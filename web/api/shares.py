"""`/api/v1/shares`: links to one's lists; `/api/v1/shared/{token}`: what a link shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta
from quart import Blueprint
from werkzeug.exceptions import Gone, NotFound

from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS
from stockstream.users.roles import Scope
from stockstream.users.rows import CreateRow, DeleteRow, FetchRows
from stockstream.users.sections import Section
from stockstream.users.shares import (
    MOST_DAYS,
    MOST_SHARES,
    NO_LINK,
    SHARES,
    TOKEN,
    Ended,
    OpenShare,
    Share,
    SharedList,
    WantedShare,
    hash_of,
    new_token,
)
from web.answers import json_answer
from web.api.bodies import InvalidFieldError, read_body
from web.api.errors import MOVE_ERRORS, NEW_ERRORS, READ_ERRORS
from web.api.openapi import documented
from web.api.rows import ROW, ask_row
from web.asking import DATABASE_ERRORS, ask_database
from web.parameters import Parameter
from web.users.access import admit_user, current_user, require_new_row_allowed
from web.users.gate import require

if TYPE_CHECKING:
    from quart import Response

    from supervision import ActorRef
    from web.parameters import Asked
    from web.parts import Parts


class NoSuchLinkError(NotFound):
    """There is none, or it ended more than a month ago."""

    word: ClassVar[str] = "not_found"


class LinkEndedError(Gone):
    """It was ended, has expired, or its list was deleted; `reason` says which."""

    word: ClassVar[str] = "link_ended"


class ShareItem(msgspec.Struct, frozen=True):
    """A link to a list, without its token; times in UTC. Without `expires_at` it does not end."""

    id: int
    watchlist: int
    name: str
    created_at: str
    expires_at: str | None


class ShareLimits(msgspec.Struct, frozen=True):
    """The limits."""

    shares: int = MOST_SHARES
    days: int = MOST_DAYS


class SharesAnswer(msgspec.Struct, frozen=True):
    """All links of the user that were not ended, the last one first."""

    shares: list[ShareItem]
    limits: ShareLimits = ShareLimits()


LARGEST_WHOLE = 2**53
"""So far every whole number is one of JSON's to all programs (RFC 8259, section 6)."""


def _whole(most: int) -> Meta:
    """A whole number, which JSON may write as 21.0."""
    return Meta(extra_json_schema={"type": "integer", "minimum": 1, "maximum": most})


class NewShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST: which list, and for how many days; without them, until it is ended."""

    watchlist: Annotated[float, _whole(LARGEST_WHOLE)]
    days: Annotated[float, _whole(MOST_DAYS)] | None = None


class MadeShare(ShareItem, frozen=True):
    """A new link. `token` is told once; the page `/shared/` and the token shows the list."""

    token: str


class SharedListAnswer(msgspec.Struct, frozen=True):
    """A list as it is now."""

    name: str
    symbols: list[str]
    sections: list[Section]


def read_token(text: str) -> str:
    """The token of a link, as it stands in the address.

    Raises:
        NoSuchLinkError: no link can have it.
    """
    if not TOKEN.fullmatch(text):
        raise NoSuchLinkError(NO_LINK)
    return text


LINK = Parameter(
    "token",
    "The token of the link.",
    {"type": "string", "pattern": f"^{TOKEN.pattern}$"},
    lambda given, _asked: read_token(given[0]),
    place="path",
    required=True,
    error=NoSuchLinkError,
)


def shares_api(parts: Parts) -> Blueprint:
    """The routes of who shares. Each needs the user's cookie."""
    blueprint = Blueprint("shares", __name__, url_prefix="/api/v1/shares")
    database, now = parts.database, parts.settings.wall_clock_ms

    blueprint.before_request(admit_user)

    @blueprint.get("")
    @documented(SharesAnswer, errors=READ_ERRORS, user=True)
    async def all_of_them() -> Response:
        """The user's links to lists."""
        found = (await ask_database(database, FetchRows(SHARES, current_user()))).value
        return json_answer(SharesAnswer([_item(share) for share in found]))

    @blueprint.post("")
    @documented(MadeShare, status=201, body=NewShare, errors=NEW_ERRORS, user=True)
    async def create() -> Response:
        """Make a link to a list.

        Whoever has it sees the name of the list, its symbols and its sections, as they are then.
        """
        given = await read_body(NewShare)
        wrong = {}
        number, days = given.watchlist, given.days
        if not (number.is_integer() and 0 < number <= LARGEST_WHOLE):
            wrong["watchlist"] = "the `id` of a list"
        if days is not None and not (days.is_integer() and 0 < days <= MOST_DAYS):
            wrong["days"] = f"1 to {MOST_DAYS}, or none"
        if wrong:
            raise InvalidFieldError(wrong)
        require_new_row_allowed()
        token = new_token()
        expires = None if days is None else now() + int(days) * DAY_MS
        wanted = WantedShare(int(number), hash_of(token), expires)
        share = await ask_row(database, CreateRow(SHARES, current_user(), wanted))
        made = MadeShare(**msgspec.structs.asdict(_item(share)), token=token)
        return json_answer(made, status=201)

    @blueprint.delete("/<row:number>")
    @documented(ShareItem, ROW, errors=MOVE_ERRORS, user=True)
    async def end(asked: Asked) -> Response:
        """End a link: who opens it is told so."""
        query = DeleteRow(SHARES, current_user(), asked[ROW])
        return json_answer(_item(await ask_row(database, query)))

    return blueprint


def shared_api(parts: Parts) -> Blueprint:
    """What a link shows, to anybody who has it."""
    blueprint = Blueprint("shared", __name__, url_prefix="/api/v1/shared")
    blueprint.before_request(require(Scope.PRICES_READ))

    @blueprint.get("/<token>")
    @documented(SharedListAnswer, LINK, errors=(NoSuchLinkError, LinkEndedError, *DATABASE_ERRORS))
    async def one(asked: Asked) -> Response:
        """The list that a link shows."""
        found = await open_link(parts.database, asked[LINK])
        return json_answer(SharedListAnswer(found.name, found.symbols, found.sections))

    return blueprint


async def open_link(database: ActorRef, token: str) -> SharedList:
    """The list of a link.

    Raises:
        NoSuchLinkError, LinkEndedError: it shows none.
        TooManyQueriesError, UnavailableError: there is no answer now.
    """
    found = (await ask_database(database, OpenShare(token))).value
    if found is None:
        raise NoSuchLinkError(NO_LINK)
    if isinstance(found, Ended):
        raise LinkEndedError(found.reason)
    return found


def _item(share: Share) -> ShareItem:
    expires = None if share.expires is None else iso_utc(share.expires)
    return ShareItem(share.id, share.watchlist, share.name, iso_utc(share.created), expires)
