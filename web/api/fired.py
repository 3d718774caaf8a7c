"""`/api/v1/alerts/fired`: what a user's rules fired, and how it is posted to their webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from quart import Blueprint, Response, request

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
from stockstream.quotes import Version, iso_utc
from stockstream.told_alert import ToldAlert
from web.api.bodies import InvalidFieldError, read_body
from web.api.errors import MOVE_ERRORS, READ_ERRORS, SEEN_ERRORS
from web.api.openapi import Parameter, choice, documented, text, whole
from web.api.parameters import InvalidParameterError, Parameters
from web.api.rows import NoSuchRowError, ask_row, ask_rows, row_id, told
from web.users.access import admit_user, current_user

if TYPE_CHECKING:
    from web.parts import Parts

MOST_FIRED, USUAL_FIRED = 200, 50
ALERT = Parameter(
    "alert",
    "The `id` of an alert.",
    {"type": "string", "pattern": "^[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18}$"},
    place="path",
    required=True,
)


class DeliveryItem(msgspec.Struct, frozen=True):
    """How the posting to the webhook goes: `pending`, `delivered`, or `dead`, which is given up.

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
    """An alert, as `docs/asyncapi.yaml` describes it, and whether its user has seen it.

    `delivery` is null where it is posted nowhere.
    """

    read: bool
    delivery: DeliveryItem | None


class FiredAnswer(msgspec.Struct, frozen=True):
    """The newest first; `next_cursor` asks for older ones, null when there are none.

    `unread` counts all that are, up to 100.
    """

    alerts: list[FiredItem]
    unread: int
    next_cursor: str | None


class ReadGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `/fired/read`: all that fired up to that moment was seen."""

    until: Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


def fired_api(parts: Parts) -> Blueprint:
    """The routes. Each asks for the user's cookie; what is another's is not there."""
    blueprint = Blueprint("fired", __name__, url_prefix="/api/v1/alerts/fired")
    database = parts.database

    blueprint.before_request(admit_user)

    @blueprint.get("")
    @documented(
        FiredAnswer,
        whole("limit", "Alerts, at most.", least=1, most=MOST_FIRED, usual=USUAL_FIRED),
        text("cursor", "The `next_cursor` of an answer, for older ones.", r"^[0-9]{1,18}$"),
        choice("unread", "Only those that were not seen.", ("true", "false"), "false"),
        errors=(*READ_ERRORS, InvalidParameterError),
        user=True,
    )
    async def fired() -> Response:
        """What the user's rules fired, the newest first."""
        given = request.args.to_dict(flat=False)
        parameters = Parameters(given, ("limit", "cursor", "unread"))
        limit = parameters.whole("limit", least=1, most=MOST_FIRED, usual=USUAL_FIRED)
        unread = parameters.one_of("unread", ("true", "false"), "false") == "true"
        before = _read_cursor(parameters)
        parameters.check()
        # One more than wanted tells whether any follow.
        found = await ask_rows(database, FetchFired(current_user(), limit + 1, before, unread))
        page = found.alerts[:limit]
        following = str(page[-1].row) if len(found.alerts) > limit else None
        return told(FiredAnswer([_fired(stored) for stored in page], found.unread, following))

    @blueprint.post("/<alert>/post")
    @documented(FiredItem, ALERT, errors=MOVE_ERRORS, user=True)
    async def post(alert: str) -> Response:
        """Post an alert to its webhook once more, whatever came of it before."""
        rule, version = _alert_key(alert)
        posted = await ask_row(database, Repost(current_user(), rule, version))
        if posted.delivery is not None:
            parts.webhooks.cast(PostNow(Line(current_user(), posted.delivery.receiver)))
        return told(_fired(posted))

    @blueprint.post("/read")
    @documented(None, status=204, body=ReadGiven, errors=SEEN_ERRORS, user=True)
    async def read() -> Response:
        """Note that alerts were seen."""
        given = await read_body(ReadGiven)
        parameters = Parameters({"until": [given.until]}, ("until",))
        until = parameters.moment("until", 0)
        if parameters.wrong:
            raise InvalidFieldError(parameters.wrong)
        # What has not fired yet cannot have been seen, whatever a clock says.
        until = min(until, parts.settings.wall_clock_ms())
        await ask_rows(database, MarkRead(current_user(), until))
        return Response(b"", 204)  # without a body Quart iterates one, on asyncio

    return blueprint


def _read_cursor(parameters: Parameters) -> int:
    text = parameters.text("cursor")
    if text is None:
        return NEWEST
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    parameters.wrong["cursor"] = f"a cursor that an answer gave, not {text[:32]!r}"
    return NEWEST


def _alert_key(text: str) -> tuple[int, Version]:
    """The rule and the version of the price that an alert's id is made of.

    Raises:
        NoSuchRowError: no alert can have it.
    """
    parts = text.split("-")
    if len(parts) != 3:
        raise NoSuchRowError(f"{text[:32]!r} is no id of an alert")
    rule, epoch, seq = map(row_id, parts)
    return rule, Version(epoch, seq)


def _fired(stored: StoredAlert) -> FiredItem:
    told_alert = msgspec.structs.asdict(ToldAlert.of(stored.alert))
    return FiredItem(**told_alert, read=stored.read, delivery=_delivery(stored.delivery))


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
