"""`/admin/api/feeds`: how each upstream answers: how fast, with what, and what went wrong last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.quotes import iso_utc
from stockstream.times import tell
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from stockstream.statuses import FeedFigures, FetchFigures, PushStatus
    from stockstream.tables import Tables
    from web.parts import Parts


class LastBody(msgspec.Struct, frozen=True):
    """The begin of the last answer, its keys masked."""

    at: str
    status: int
    size: int
    content_type: str
    text: str


class LastTrouble(msgspec.Struct, frozen=True):
    """What went wrong last; `said` are the provider's own words."""

    at: str
    kind: str
    detail: str
    said: str | None


class LineDocument(msgspec.Struct, frozen=True):
    """A connection of a feed that has its prices pushed."""

    number: int
    phase: str
    since: str
    symbols: int
    failures: int
    reason: str | None


class FeedDetails(msgspec.Struct, frozen=True):
    """An upstream. Half of its last fetches took `p50` seconds at most, 95 % of them `p95`; of so
    many `recent`. Items are counted since the process began.
    """

    name: str
    p50: float | None
    p95: float | None
    recent: int
    outcomes: Mapping[str, int]
    told: int
    newer: int
    refused: int
    trouble: LastTrouble | None
    body: LastBody | None
    lines: list[LineDocument]


class FeedsDocument(msgspec.Struct, frozen=True):
    """All that this node fetches from."""

    feeds: list[FeedDetails]


def feeds_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("feeds_api", __name__, url_prefix="/admin/api/feeds")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def feeds() -> Response:
        names = sorted(name for name in parts.tables.feeds.rows if "@" not in name)
        return json_answer(FeedsDocument([_feed(parts.tables, name) for name in names]))

    return blueprint


def _feed(tables: Tables, name: str) -> FeedDetails:
    row = tables.fetches.get(name)
    recent = [] if row is None else sorted(row.recent)
    return FeedDetails(
        name,
        quantile(recent, 0.5),
        quantile(recent, 0.95),
        len(recent),
        {} if row is None else row.outcomes,
        0 if row is None else row.told,
        0 if row is None else row.newer,
        0 if row is None else row.refused,
        _trouble(tables.feed_figures.get(name)),
        _body(row),
        _lines(tables.pushes.get(name)),
    )


def quantile(rising: Sequence[float], part: float) -> float | None:
    """What this part of the values is at most; None of none."""
    if not rising:
        return None
    return round(rising[min(len(rising) - 1, int(part * len(rising)))], 6)


def _trouble(figures: FeedFigures | None) -> LastTrouble | None:
    if figures is None or not figures.seen:
        return None
    kind, last = max(figures.seen.items(), key=lambda pair: pair[1].at)
    return LastTrouble(iso_utc(tell(last.at)), kind, last.detail, last.said)


def _body(row: FetchFigures | None) -> LastBody | None:
    body = None if row is None else row.body
    if body is None:
        return None
    at = iso_utc(tell(body.at))
    return LastBody(at, body.status, body.size, body.content_type, body.text)


def _lines(row: PushStatus | None) -> list[LineDocument]:
    return [
        LineDocument(
            number,
            line.phase.value,
            iso_utc(tell(line.since)),
            line.symbols,
            line.failures,
            line.reason,
        )
        for number, line in sorted(({} if row is None else row.lines).items())
    ]
