"""`/admin/api/audit`: what operators did, a page at a time, the newest first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import msgspec
from quart import Blueprint
from werkzeug.exceptions import ServiceUnavailable

from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.users.audit_lines import AuditLine
from stockstream.users.operator_audit import FetchEntries, Place, last_place
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.parameters import Parameter, Wrong, cursor, moment, once, read_query, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from web.parameters import Asked
    from web.parts import Parts

MOST_ENTRIES, USUAL_ENTRIES = 500, 50
RETRY_SECONDS = 2
LONGEST_WORD = 200
_PLACE = re.compile(r"(-?[0-9]{1,14})-([0-9]{1,18})")


def _word(name: str, description: str) -> Parameter[str | None]:
    def read(given: Sequence[str], _asked: Asked) -> str | None:
        text = once(given)
        if text is not None and not (0 < len(text) <= LONGEST_WORD and text.isprintable()):
            raise Wrong(f"1 to {LONGEST_WORD} printable characters")
        return text

    return Parameter(name, description, {"type": "string", "minLength": 1}, read)


def _place(text: str) -> Place | None:
    found = _PLACE.fullmatch(text)
    return None if found is None else Place(int(found[1]), int(found[2]))


WHO = _word("who", "Only what this one did.")
ACTION = _word("action", "Only this action, or all that begin with it up to a point.")
START = moment("from", "Only from this time on.")
END = moment("to", "Only before this time.")
LIMIT = whole("limit", "Entries, at most.", least=1, most=MOST_ENTRIES, usual=USUAL_ENTRIES)
CURSOR = cursor("cursor", "The `next_cursor` of an answer, for older ones.", _PLACE, _place)


class AuditAwayError(ServiceUnavailable):
    """The database is away, so the audit cannot be read; what is done meanwhile is kept for it."""

    word: ClassVar[str] = "unavailable"


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, the newest first. So many of this node are `waiting` to be stored."""

    entries: list[AuditLine]
    next_cursor: str | None
    waiting: int


def audit_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("audit_api", __name__, url_prefix="/admin/api/audit")
    blueprint.before_request(require(Scope.USERS_WRITE))

    @blueprint.get("")
    async def page() -> Response:
        asked = read_query(WHO, ACTION, START, END, LIMIT, CURSOR)
        limit = asked[LIMIT]
        query = FetchEntries(
            limit + 1,  # one more tells whether any follow
            asked[WHO],
            asked[ACTION],
            asked[START],
            asked[END],
            asked[CURSOR],
        )
        # Before it is read: 0 means that all that was done until now is in it.
        waiting = parts.tables.audit_inbox.statistics().waiting
        try:
            found = await ask(parts.database, query)
        except Rejected:
            raise  # a query of ours that PostgreSQL does not take is our mistake: 500
        except DatabaseError as error:
            why = "the database is away, so the audit cannot be read"
            raise AuditAwayError(why, retry_after=RETRY_SECONDS) from error
        shown = found[:limit]
        last = last_place(shown) if len(found) > limit else None
        following = None if last is None else f"{last.at}-{last.id}"
        return json_answer(AuditPage([AuditLine.of(one) for one in shown], following, waiting))

    return blueprint
