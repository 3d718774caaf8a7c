"""What an answer of the upstream confirms, and what it should have. Pure; times in ms.

An answer confirms thousands of symbols, and as a rule the same ones as the last did. So there is
one row for all symbols of an upstream: the set that the newest answer confirmed, with one time, and
a time of its own for each symbol that it did not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from stockstream.statuses import Confirmations, Lapse, Rejection, StaleReason, Unconfirmed
from stockstream.upstreams import stale_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.quotes import Symbol

MOST_REJECTED = 20_000
"""Refusals that are kept for operators: of so many symbols, the newest."""


class Pace:
    """How often symbols are asked for, in seconds: those in `often` every `interval`, None: all.

    The others come with the whole list, every `list_interval`.
    """

    def __init__(
        self, interval: float, list_interval: float, often: frozenset[Symbol] | None
    ) -> None:
        self._often = often
        self._limit = round(1000 * stale_after(interval))
        self._long_limit = round(1000 * stale_after(list_interval))

    def limit(self, symbol: Symbol) -> int:
        """For how many ms a symbol stays live unconfirmed."""
        seldom = self._often is not None and symbol not in self._often
        return self._long_limit if seldom else self._limit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came `at` a time, to the question for the symbols in `asked`, None: for all there are.

    `confirmed` are those that it told acceptably. `refused` are those that it told otherwise. A
    newer price of those that are `behind` came from another upstream, so that one answers for them.
    What is `cut` may hold more symbols than were read. `not_served` are all that the upstream says
    now that it tells no prices of, with its codes; None: as before.
    """

    at: int
    asked: frozenset[Symbol] | None
    confirmed: frozenset[Symbol]
    refused: Mapping[Symbol, Rejection] = field(default_factory=dict)
    behind: frozenset[Symbol] = frozenset()
    cut: bool = False
    not_served: Mapping[Symbol, str] | None = None


def after(before: Confirmations | None, answer: Answer, pace: Pace) -> Confirmations:
    """The row after an answer."""
    if before is None:
        before = Confirmations(answer.at)
    told = answer.confirmed
    if (
        told == before.told
        and answer.asked is None
        and not (answer.refused or before.lapsed or before.unasked)
    ):
        return msgspec.structs.replace(before, fetched=answer.at)
    settled = told | answer.behind
    unasked: Mapping[Symbol, Unconfirmed] = {}
    known = before.told.union(before.lapsed, before.unasked)
    if answer.asked is None:
        missing = known - settled
        rest: frozenset[Symbol] = frozenset()
    else:
        missing = (answer.asked & known) - settled
        unasked = _unasked(before, settled | missing)
        rest = frozenset(before.lapsed) - settled - missing
    lapsed = {symbol: _lapse(symbol, before, answer, pace) for symbol in missing}
    lapsed.update((symbol, before.lapsed[symbol]) for symbol in rest)
    not_served = before.not_served if answer.not_served is None else answer.not_served
    row = Confirmations(answer.at, told, unasked, lapsed, before.rejected, not_served)
    return rejected(row, answer.refused) if answer.refused else row


def rejected(row: Confirmations, refused: Mapping[Symbol, Rejection]) -> Confirmations:
    """The row with newer refusals, for operators."""
    newest_last = {s: r for s, r in row.rejected.items() if s not in refused}
    newest_last.update(refused)
    for symbol in list(newest_last)[: max(0, len(newest_last) - MOST_REJECTED)]:
        del newest_last[symbol]
    return msgspec.structs.replace(row, rejected=newest_last)


def _unasked(before: Confirmations, seen: frozenset[Symbol]) -> Mapping[Symbol, Unconfirmed]:
    """Those confirmed once and not asked for now; the same object as before where nothing changed,
    which is each time but after a whole list.
    """
    more = before.told - seen
    if not more and seen.isdisjoint(before.unasked):
        return before.unasked
    earlier = Unconfirmed(None, before.fetched)
    kept = {symbol: known for symbol, known in before.unasked.items() if symbol not in seen}
    return kept | dict.fromkeys(more, earlier)


def _lapse(symbol: Symbol, before: Confirmations, answer: Answer, pace: Pace) -> Lapse:
    last = before.lapsed.get(symbol)
    if last is not None:
        # A pace that became slower makes nothing live: that takes a confirmation.
        confirmed = last.confirmed
        due = min(last.due, confirmed + pace.limit(symbol))
    else:
        known = before.unasked.get(symbol)
        confirmed = before.fetched if known is None else known.confirmed
        due = confirmed + pace.limit(symbol)
    refusal = answer.refused.get(symbol)
    if refusal is not None:
        reason = refusal.reason
    elif answer.cut:
        reason = StaleReason.BEYOND_LIMIT
    elif answer.asked is None:
        reason = StaleReason.NOT_LISTED
    elif last is not None and last.reason is StaleReason.NOT_LISTED:
        reason = last.reason  # that says more
    else:
        reason = StaleReason.NOT_TOLD
    return Lapse(reason, confirmed, due)
