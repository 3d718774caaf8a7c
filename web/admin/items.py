"""`/admin/api/items`: what upstreams told wrongly or not at all, by kind and by symbol."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.quotes import iso_utc
from stockstream.refusals import told_reason
from stockstream.symbol_states import confirmed_at
from stockstream.times import Moment, tell
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.parameters import Parameter, Wrong, once, read_query, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quart import Response

    from stockstream.quotes import Symbol
    from stockstream.statuses import Confirmations
    from stockstream.tables import Tables
    from web.parameters import Asked
    from web.parts import Parts

MOST_SYMBOLS, USUAL_SYMBOLS = 200, 50
LONGEST_SEARCH = 64


class RefusedKind(msgspec.Struct, frozen=True):
    """A kind of trouble of an upstream: how often, when last, and the last one in words.

    `correlation` is that of its line in the log, which has the first one since it was over.
    """

    upstream: str
    kind: str
    times: int
    at: str | None
    example: str | None
    said: str | None
    correlation: str | None = None


class RefusedSymbol(msgspec.Struct, frozen=True):
    """A symbol of an upstream that was refused, so many `times` and `at` last for this `detail`, or
    that its last answers lack. `stale` says whether it is so now.
    """

    upstream: str
    symbol: str
    reason: str
    missing: bool
    stale: bool
    times: int
    at: str | None
    detail: str | None
    confirmed: str | None


class ItemsDocument(msgspec.Struct, frozen=True):
    """Kinds, the newest first; and some of so many `found` symbols, the stale and newest first."""

    kinds: list[RefusedKind]
    symbols: list[RefusedSymbol]
    found: int


def _search(given: Sequence[str], _asked: Asked) -> str:
    text = (once(given) or "").strip()
    if len(text) > LONGEST_SEARCH or not text.isprintable():
        raise Wrong(f"at most {LONGEST_SEARCH} printable characters")
    return text.upper()


SEARCH: Parameter[str] = Parameter(
    "search", "Only symbols with this in their name.", {"type": "string"}, _search
)
LIMIT = whole("limit", "Symbols, at most.", least=1, most=MOST_SYMBOLS, usual=USUAL_SYMBOLS)


def items_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("items_api", __name__, url_prefix="/admin/api/items")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def items() -> Response:
        asked = read_query(SEARCH, LIMIT)
        return json_answer(items_document(parts.tables, asked[SEARCH], asked[LIMIT]))

    return blueprint


def items_document(tables: Tables, search: str, limit: int) -> ItemsDocument:
    """What is known now; only inside a trio run."""
    now = Moment.now().milliseconds
    found = [
        (not is_stale, -at, name, symbol)
        for name, row in tables.confirmations.rows.items()
        for symbol, at, is_stale in _refused(row, now)
        if search in symbol
    ]
    shown = [_symbol(tables, name, symbol, now) for _, _, name, symbol in nsmallest(limit, found)]
    return ItemsDocument(_kinds(tables), shown, len(found))


def _kinds(tables: Tables) -> list[RefusedKind]:
    rows = [
        (-1.0 if last is None else last.at.seconds, name, kind, times, last)
        for name, figures in tables.feed_figures.rows.items()
        for kind, times in figures.troubles.items()
        for last in (figures.seen.get(kind),)
        if times
    ]
    rows.sort(key=lambda row: row[:3], reverse=True)
    return [
        RefusedKind(
            name,
            kind,
            times,
            None if last is None else iso_utc(tell(last.at)),
            None if last is None else last.detail,
            None if last is None else last.said,
            None if last is None else last.correlation,
        )
        for _, name, kind, times, last in rows
    ]


def _refused(row: Confirmations, now: int) -> Iterator[tuple[Symbol, int, bool]]:
    """Symbols that were refused or are missing; when that was; whether they are stale by now."""
    for symbol, rejection in row.rejected.items():
        lapse = row.lapsed.get(symbol)
        yield symbol, rejection.at, lapse is not None and lapse.due <= now
    for symbol, lapse in row.lapsed.items():
        if symbol not in row.rejected:
            yield symbol, lapse.confirmed, lapse.due <= now


def _symbol(tables: Tables, name: str, symbol: Symbol, now: int) -> RefusedSymbol:
    row = tables.confirmations.rows[name]
    lapse, rejection = row.lapsed.get(symbol), row.rejected.get(symbol)
    reason = None if lapse is None else told_reason(row, symbol, lapse.reason)
    if reason is None:
        assert rejection is not None  # noqa: S101 - one of the two is why it is listed
        reason = rejection.reason
    confirmed = confirmed_at(row, symbol)
    counts = tables.refusals.get(name)
    return RefusedSymbol(
        upstream=name,
        symbol=symbol,
        reason=reason.value,
        missing=lapse is not None and (rejection is None or rejection.reason != lapse.reason),
        stale=lapse is not None and lapse.due <= now,
        times=0 if counts is None else counts[symbol],
        at=None if rejection is None else _iso(rejection.at),
        detail=None if rejection is None else rejection.detail,
        confirmed=None if confirmed is None else _iso(confirmed),
    )


def _iso(steady: int) -> str:
    return iso_utc(tell(Moment(steady / 1000)))
