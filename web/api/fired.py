"""`/api/v1/alerts/fired`: what a user's rules fired, and the calls to their webhooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from quart import Blueprint, Response

from stockstream.alerts.alert_rows import (
    NEWEST,
    CallState,
    Delivery,
    FetchFired,
    MarkRead,
    Repost,
    StoredAlert,
)
from stockstream.alerts.shares import Line
from stockstream.alerts.webhooks import PostNow
from stockstream.messages import RulesChanged
from stockstream.quotes import Version, iso_utc
from stockstream.told_alert import ToldAlert
from web.answers import json_answer
from web.api.bodies import InvalidFieldError, read_body
from web.api.errors import MOVE_ERRORS, READ_ERRORS, SEEN_ERRORS
from web.api.openapi import documented
from web.api.rows import NoSuchRowError, ask_row, read_row_id
from web.asking import ask_database
from web.parameters import Parameter, Wrong, choice, cursor, read_moment, whole
from web.users.access import admit_user, current_user

if TYPE_CHECKING:
    from web.parameters import Asked
    from web.parts import Parts

MOST_FIRED, USUAL_FIRED = 200, 50
LIMIT = whole("limit", "Alerts, at most.", least=1, most=MOST_FIRED, usual=USUAL_FIRED)
CURSOR = cursor(
    "cursor", "The `next_cursor` of an answer, for older ones.", re.compile("[0-9]{1,18}"), int
)
UNREAD = choice("unread", "Only those that were not read.", ("true", "false"), "false")


def _read_alert(text: str) -> tuple[int, Version]:
    """The rule and the version of the price that an alert's id is made of.

    Raises:
        NoSuchRowError: no alert can have it.
    """
    parts = text.split("-")
    if len(parts) != 3:
        raise NoSuchRowError(f"{text[:32]!r} is no id of an alert")
    rule, epoch, seq = map(read_row_id, parts)
    return rule, Version(epoch, seq)


ALERT = Parameter(
    "alert",
    "The `id` of an alert.",
    {"type": "string", "pattern": "^[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18}$"},
    lambda given, _asked: _read_alert(given[0]),
    place="path",
    required=True,
    error=NoSuchRowError,
)


class DeliveryItem(msgspec.Struct, frozen=True):
    """The state of the call to the webhook, or of the mail: `pending`, `delivered`, or `dead` once
    it is given up.

    `status` and `reason` are of the last attempt that failed, or of the one that was taken.
    `next_attempt` is null once it has ended, and while an attempt is under way.
    """

    state: CallState
    attempts: int
    status: int | None
    reason: str | None
    next_attempt: str | None
    ended_at: str | None


class FiredItem(ToldAlert, frozen=True):
    """An alert, as `docs/asyncapi.yaml` describes it, and whether its user has read it.

    `delivery` is null where the rule has no webhook, and `mail` where it was mailed to nobody.
    """

    read: bool
    delivery: DeliveryItem | None
    mail: DeliveryItem | None


class FiredAnswer(msgspec.Struct, frozen=True):
    """Alerts, the newest first; `next_cursor` asks for older ones, null when there are none.

    `unread` is how many were not read yet, at most 100.
    """

    alerts: list[FiredItem]
    unread: int
    next_cursor: str | None


class ReadGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `/fired/read`: everything that fired until then was read."""

    until: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


def fired_api(parts: Parts) -> Blueprint:
    """The routes. Each needs the user's cookie; the alerts of other users are not found."""
    blueprint = Blueprint("fired", __name__, url_prefix="/api/v1/alerts/fired")
    database = parts.database

    blueprint.before_request(admit_user)

    @blueprint.get("")
    @documented(FiredAnswer, LIMIT, CURSOR, UNREAD, errors=READ_ERRORS, user=True)
    async def fired(asked: Asked) -> Response:
        """What the user's rules fired, the newest first."""
        limit, after, unread = asked[LIMIT], asked[CURSOR], asked[UNREAD] == "true"
        before = NEWEST if after is None else after
        # One more than wanted tells whether any follow.
        query = FetchFired(current_user(), limit + 1, before, unread)
        found = (await ask_database(database, query)).value
        page = found.alerts[:limit]
        following = str(page[-1].row) if len(found.alerts) > limit else None
        alerts = [_fired(stored) for stored in page]
        return json_answer(FiredAnswer(alerts, found.unread, following))

    @blueprint.post("/<alert>/post")
    @documented(FiredItem, ALERT, errors=MOVE_ERRORS, user=True)
    async def post(asked: Asked) -> Response:
        """Post an alert to its webhook again, also one that was delivered or given up."""
        posted = await ask_row(database, Repost(current_user(), *asked[ALERT]))
        if posted.delivery is not None:
            parts.webhooks.cast(PostNow(Line(current_user(), posted.delivery.receiver)))
        return json_answer(_fired(posted))

    @blueprint.post("/read")
    @documented(None, status=204, body=ReadGiven, errors=SEEN_ERRORS, user=True)
    async def read() -> Response:
        """Mark alerts as read."""
        given = await read_body(ReadGiven)
        try:
            until = read_moment(given.until)
        except Wrong as error:
            raise InvalidFieldError({"until": str(error)}) from error
        # What has not fired yet cannot have been read: the clock of a browser may be ahead.
        until = min(until, parts.settings.wall_clock_ms())
        await ask_database(database, MarkRead(current_user(), until))
        parts.alerts.cast(RulesChanged(owner=current_user()))
        return Response(b"", 204)  # without a body Quart iterates one, on asyncio

    return blueprint


def _fired(stored: StoredAlert) -> FiredItem:
    told_alert = msgspec.structs.asdict(ToldAlert.of(stored.alert))
    delivery, mail = _delivery(stored.delivery), _delivery(stored.mail)
    return FiredItem(**told_alert, read=stored.read, delivery=delivery, mail=mail)


def _delivery(delivery: Delivery | None) -> DeliveryItem | None:
    if delivery is None:
        return None
    return DeliveryItem(
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        reason=delivery.reason,
        next_attempt=None if delivery.next_at is None else iso_utc(delivery.next_at),
        ended_at=None if delivery.ended_at is None else iso_utc(delivery.ended_at),
    )
