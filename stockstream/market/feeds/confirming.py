"""What a feed's answers confirm: its row of the `confirmations`, and what is logged of it.

Used by the feed alone, at the path that may write the row, which outlives it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import structlog

from stockstream.market.confirmations import MOST_REJECTED, Answer, after, rejected
from stockstream.market.parser import RejectKind
from stockstream.statuses import Confirmations, Rejection, StaleReason
from stockstream.symbol_states import stale_by_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stockstream.market.confirmations import Pace
    from stockstream.market.parser import Parsed, Rejects
    from stockstream.market.providers.push import Refused
    from stockstream.market.time_base import Poll
    from stockstream.quotes import Symbol
    from stockstream.tables import Tables

SYMBOLS_TOLD = 10
"""Of symbols that became stale, or live again, so many are named in the log."""

_log = structlog.stdlib.get_logger(__name__)


class Confirming:
    """See the module."""

    def __init__(self, upstream: str, tables: Tables) -> None:
        self._upstream = upstream
        self._rows = tables.confirmations
        counts = tables.refusals.get(upstream)
        self._refusals: Counter[Symbol] = Counter() if counts is None else counts
        if counts is None:
            tables.refusals.put(upstream, self._refusals)
        self._log = _log.bind(upstream=upstream)
        row = self._rows.get(upstream)
        self._stale = {} if row is None else _stale(row, row.fetched)

    def answered(self, answer: Answer, pace: Pace) -> None:
        """Take what an answer confirms, and say of which symbols that is news."""
        last = self._rows.get(self._upstream)
        self._count(last, answer.refused)
        row = after(last, answer, pace)
        self._rows.put(self._upstream, row)
        before, self._stale = self._stale, _stale(row, answer.at)
        news: dict[StaleReason, list[Symbol]] = defaultdict(list)
        for symbol, reason in self._stale.items():
            if symbol not in before:
                news[reason].append(symbol)
        for reason, symbols in news.items():
            self._log.warning("symbols are stale", reason=reason, **_some(symbols))
        again = before.keys() - self._stale.keys()
        if again:
            self._log.info("symbols are not stale any more", **_some(again))

    def refused(self, refused: Mapping[Symbol, Rejection]) -> None:
        """Take an answer in which nothing was acceptable: what ails the feed is said of it."""
        row = self._rows.get(self._upstream)
        self._count(row, refused)
        if row is not None and refused:
            self._rows.put(self._upstream, rejected(row, refused))

    def _count(self, last: Confirmations | None, refused: Mapping[Symbol, Rejection]) -> None:
        """Count the refusals that are news: a line repeats what it was told once."""
        known = {} if last is None else last.rejected
        for symbol, rejection in refused.items():
            if known.get(symbol) is not rejection:
                self._refusals[symbol] += 1
        beyond = len(self._refusals) - MOST_REJECTED
        if beyond > 0:
            for symbol in list(self._refusals)[:beyond]:
                del self._refusals[symbol]


def believed(parsed: Parsed, poll: Poll) -> frozenset[Symbol]:
    """The symbols of which an answer tells a price that can be believed, newer or not."""
    suspect = [seen.symbol for some in (poll.outdated, poll.ahead) for seen in some]
    return frozenset(seen.symbol for seen in parsed.observations).difference(suspect)


def answer_of(
    parsed: Parsed,
    poll: Poll,
    at: int,
    asked: frozenset[Symbol] | None,
    told: frozenset[Symbol],
    behind: frozenset[Symbol],
    not_served: Mapping[Symbol, str] | None = None,
) -> Answer:
    """What came `at` a time, once it is known what of it was newer; `told` can be believed."""
    return Answer(
        at,
        asked,
        told - behind,
        refusals(parsed.rejects, at, poll),
        behind,
        cut=RejectKind.BEYOND_LIMIT in parsed.rejects.counts,
        not_served=not_served,
    )


def refusals(rejects: Rejects, at: int, poll: Poll | None = None) -> dict[Symbol, Rejection]:
    """Why symbols were not taken: their items are bad, or their times cannot be."""
    found = {
        symbol: Rejection(StaleReason(reject.kind.value), reject.detail, at)
        for symbol, reject in rejects.symbols.items()
    }
    if poll is not None:
        outdated = Rejection(StaleReason.OUTDATED, poll.why_outdated, at)
        ahead = Rejection(StaleReason.CLOCK_AHEAD, poll.why_ahead, at)
        found.update((seen.symbol, outdated) for seen in poll.outdated)
        found.update((seen.symbol, ahead) for seen in poll.ahead)
    return found


def _stale(row: Confirmations, now: int) -> dict[Symbol, StaleReason]:
    found = stale_by_reason(row, now)
    return {symbol: reason for reason, symbols in found.items() for symbol in symbols}


def _some(symbols: Iterable[Symbol]) -> dict[str, object]:
    named = sorted(symbols)
    return {"count": len(named), "some": named[:SYMBOLS_TOLD]}


def subscribed(
    symbols: frozenset[Symbol],
    refused: Mapping[Symbol, Refused],
    unanswered: frozenset[Symbol],
    upstream: str,
    tables: Tables,
    now: float,
    ours: Callable[[Symbol], bool],
) -> Answer:
    """What lines confirm by being there: what is subscribed is live without a trade.

    Of what was known before, they answer for what is `ours`. A new line asks anew: what the last
    one was refused stays so while it is `unanswered`.
    """
    rows = tables.quotes.rows
    told = frozenset(
        symbol
        for symbol in symbols
        if (row := rows.get(symbol)) is not None and row.source == upstream
    )
    before = tables.confirmations.get(upstream) or Confirmations(0)
    known = before.told.union(before.lapsed, before.unasked)
    steady = round(now * 1000)
    not_listed = {
        symbol: _still(before.rejected.get(symbol), why.reason, steady)
        for symbol, why in refused.items()
    }
    not_served = {s: code for s, code in before.not_served.items() if s in unanswered}
    not_served.update((symbol, why.code) for symbol, why in refused.items())
    asked = told.union(filter(ours, known))
    return Answer(steady, asked, told, not_listed, not_served=not_served)


def _still(before: Rejection | None, why: str, at: int) -> Rejection:
    """A refusal; the one `before` where it is the same, or it would be news each second."""
    if before is not None and before[:2] == (StaleReason.NOT_LISTED, why):
        return before
    return Rejection(StaleReason.NOT_LISTED, why, at)
