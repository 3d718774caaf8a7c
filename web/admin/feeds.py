"""`/admin/api/feeds`: how each upstream answers: how fast, with what, and what went wrong last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.quotes import iso_utc
from stockstream.statuses import FeedState, PushPhase
from stockstream.times import tell
from stockstream.upstreams import current_state, stale_after
from stockstream.users.roles import Scope
from web.admin.reasons import Tone
from web.answers import json_answer
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from stockstream.statuses import FeedFigures, FetchFigures, LineStatus, PushStatus
    from stockstream.tables import Tables
    from stockstream.times import Moment
    from web.parts import Parts


class LastBody(msgspec.Struct, frozen=True):
    """The begin of the last answer, its keys masked."""

    at: str
    status: int
    size: int
    content_type: str
    text: str


class LastTrouble(msgspec.Struct, frozen=True):
    """What went wrong last; `said` are the provider's own words. `correlation` is that of the line
    in the log.
    """

    at: str
    kind: str
    detail: str
    said: str | None
    correlation: str | None


class LineDocument(msgspec.Struct, frozen=True):
    """A connection of a feed that has its prices pushed: when it was `opened`, `heard` its last
    frame, and `priced` the last price, which it `told`. `frame` is the begin of the last frame.

    It is `bad` where its watchdog has ended it or suspects it, `warn` while it is made.
    """

    number: int
    phase: str
    since: str
    symbols: int
    failures: int
    reason: str | None
    tone: Tone
    opened: str | None
    heard: str | None
    priced: str | None
    told: str | None
    frame: str | None


class FeedDetails(msgspec.Struct, frozen=True):
    """An upstream. Half of its last fetches took `p50` seconds at most, 95 % of them `p95`; of so
    many `recent`. Items are counted since the process began.

    It is `state` by the time since what it told was `confirmed` last: stale after `stale_after`
    seconds. It is asked each `interval` seconds; the last fetch, or attempt to connect, `ended`,
    however. Half of its prices were `age_p50` seconds old at most when they came, 95 % `age_p95`.
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
    pushed: bool
    state: FeedState
    reason: str | None
    interval: float
    stale_after: float
    confirmed: str | None
    ended: str | None
    age_p50: float | None
    age_p95: float | None


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
    row, ages, status = (
        tables.fetches.get(name),
        tables.quote_ages.get(name),
        tables.feeds.rows[name],
    )
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
        name in tables.pushes.rows,
        current_state(status),
        status.reason,
        status.interval,
        stale_after(status.interval),
        _iso(status.as_of),
        None if row is None else _iso(row.ended),
        None if ages is None else ages.quantile(0.5),
        None if ages is None else ages.quantile(0.95),
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
    return LastTrouble(iso_utc(tell(last.at)), kind, last.detail, last.said, last.correlation)


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
            _tone(line),
            _iso(line.opened),
            _iso(line.heard),
            _iso(line.priced),
            line.told,
            line.frame,
        )
        for number, line in sorted(({} if row is None else row.lines).items())
    ]


def _tone(line: LineStatus) -> Tone:
    match line.phase:
        case PushPhase.WAITING | PushPhase.MISCONFIGURED:
            return Tone.BAD
        case PushPhase.CONNECTING:
            return Tone.WARN
        case _:
            return Tone.BAD if line.silent else Tone.GOOD


def _iso(moment: Moment | None) -> str | None:
    return None if moment is None else iso_utc(tell(moment))
