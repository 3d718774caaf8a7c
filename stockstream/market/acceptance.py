"""From observations to quotes: what is new gets its version and its row. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.market.day_base import base_of, day_of
from stockstream.market.day_figures import keep, said_by_both
from stockstream.market.day_volume import first_told, traded_since
from stockstream.market.exchange_days import Believed
from stockstream.market.exchange_zones import market_of
from stockstream.market.sessions import first_session, session_after
from stockstream.market.top_of_book import retold
from stockstream.quotes import TradingSession, Version
from stockstream.statuses import QuoteRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.market.observed import Observed
    from stockstream.quotes import Observation, Symbol


_CLOSED = TradingSession.CLOSED


class Acceptance(NamedTuple):
    """The new rows, and the symbols in which another feed had outdone this one: see `Accepted`.

    News of the symbols in `overtaken` could not be given a higher version than there is. `amended`
    are rows there were, beside whose price another bid or ask was told: their versions stay.
    """

    rows: tuple[QuoteRow, ...]
    behind: frozenset[Symbol]
    overtaken: frozenset[Symbol] = frozenset()
    amended: tuple[QuoteRow, ...] = ()


class TakenIn(NamedTuple):
    """Of rows from another node: those `newer` than the ones here, and those that only say more of
    the same quotes, so many others were `refused`.
    """

    newer: tuple[QuoteRow, ...]
    amended: tuple[QuoteRow, ...]
    refused: int


def epoch_of(rows: Mapping[Symbol, QuoteRow], wall_clock_ms: int) -> int:
    """The epoch of this process: that of the rows there are, or the wall clock for the first."""
    return max((row.quote.version.epoch for row in rows.values()), default=wall_clock_ms)


def accept(observed: Observed, rows: Mapping[Symbol, QuoteRow], *, epoch: int) -> Acceptance:
    """Give each observation that is new its version (W1) and make its row.

    Times are compared by what the clock of each upstream was before it stepped, so nobody sees an
    older price after a newer one, whichever feed told it, and however often it does. At the same
    time another price is news from the feed that told the one there is, and from no other.
    """
    source, shift = observed.upstream, observed.shift
    received, steady = observed.reading.wall, observed.reading.steady
    believed = Believed.at(observed.reading)
    accepted: list[QuoteRow] = []
    behind: set[Symbol] = set()
    overtaken: set[Symbol] = set()
    amended: list[QuoteRow] = []
    for told in observed.observations:
        row = rows.get(told.symbol)
        observation = told
        if row is not None and told.exchange is None and row.quote.exchange is not None:
            observation = _where_it_was(told, row.quote.exchange)
        if row is None:
            quote = observation.quoted(Version(epoch, 1), received)
            day = day_of(observation, None, believed)
            base = base_of(observation, day, None)
            session = first_session(observation, received)
            opened = day.first.price
            accepted.append(
                QuoteRow(
                    quote,
                    opened,
                    None,
                    shift,
                    steady,
                    source,
                    steady,
                    base,
                    day,
                    session,
                    first_told(observation),
                )
            )
            continue
        last = row.quote
        later = (observation.timestamp - shift) - (last.timestamp - row.shift)
        if later < 0:
            behind.add(observation.symbol)
            continue
        if last.timestamp == observation.timestamp and last.tells_the_same(observation):
            if observation.top is not None and row.source == source:
                amended += retold(row, observation.top, epoch, received)
            continue
        if later == 0 and row.source != source:
            # Both go on telling it: with each in its turn taken, the price would go to and fro.
            behind.add(observation.symbol)
            continue
        if last.version.epoch > epoch:
            # Another node fetches this by now, and this one has not heard it yet.
            overtaken.add(observation.symbol)
            continue
        # Prices in two currencies are not compared: the day begins anew with the other one.
        same = (
            observation.currency == last.currency
            or observation.currency is None
            or last.currency is None
        )
        before = row if same else None
        day = day_of(observation, before, believed)
        session = row.session
        if session is None or session.session is _CLOSED or observation.session is not None:
            session = session_after(row, observation, received)
        elif observation.exchange != last.exchange:
            session = first_session(observation, received)
        quote = observation.quoted(Version(epoch, last.version.seq + 1), received)
        same_day = same and row.day is not None and row.day.day == day.day
        if last.figures is not None or last.previous_close is not None or last.name is not None:
            keep(quote, row, source, same_day=same_day)
        accepted.append(
            QuoteRow(
                quote,
                day.first.price,
                (row.previous if quote.price == last.price else last.price) if same else None,
                shift,
                steady,
                source,
                row.changed if quote.price == last.price else steady,
                base_of(observation, day, before),
                day,
                session,
                traded_since(row, observation, source, epoch, same_day=same_day),
            )
        )
    return Acceptance(
        tuple(accepted), frozenset(behind | overtaken), frozenset(overtaken), tuple(amended)
    )


def _where_it_was(observation: Observation, exchange: str) -> Observation:
    """A price of which nobody says where it is from, on the market that was told before.

    That is so after a failover to a provider that tells no exchange: the symbol's market closes as
    before. A place that is no market of ours says nothing of another provider's prices.
    """
    symbol = observation.symbol
    if market_of(exchange, symbol) == market_of(None, symbol):
        return observation
    return msgspec.structs.replace(observation, exchange=exchange)


def take_in(received: Iterable[QuoteRow], rows: Mapping[Symbol, QuoteRow]) -> TakenIn:
    """What of rows that another node made belongs in the table: nothing that is older (N3).

    Two rows of one version are of one quote. The one that knows the base of the day says more, and
    so does the one whose session began later.

    Nodes that could not reach each other have fetched the same in turns: the higher version may be
    of the older price. It is left out, for clients of this node have seen the newer one; whoever
    fetches for all soon gives that a version above both.
    """
    newer: list[QuoteRow] = []
    amended: list[QuoteRow] = []
    refused = 0
    for row in received:
        here = rows.get(row.quote.symbol)
        if here is None or (row.quote.version > here.quote.version and not _is_past(row, here)):
            newer.append(row)
        elif row.quote.version == here.quote.version and (said := _amended(here, row)) is not here:
            amended.append(said)
        else:
            refused += 1
    return TakenIn(tuple(newer), tuple(amended), refused)


def _is_past(row: QuoteRow, here: QuoteRow) -> bool:
    """Whether the same upstream has told a later price; not where its clock may have stepped."""
    return (
        row.source == here.source
        and row.shift == here.shift
        and row.quote.timestamp < here.quote.timestamp
    )


def _amended(here: QuoteRow, row: QuoteRow) -> QuoteRow:
    """The row that is here with what the other one of its quote says more; the same for nothing."""
    told, known = row.session, here.session
    session = known if told is None or (known and known.since >= told.since) else told
    quote = said_by_both(here.quote, row.quote)
    more = row if _says_more(row, here) else here
    if more.session is session and more.quote is quote:
        return more
    if quote == more.quote:
        return msgspec.structs.replace(more, session=session)
    return msgspec.structs.replace(more, session=session, quote=quote)


def _says_more(row: QuoteRow, here: QuoteRow) -> bool:
    if row.quote.previous_close is None and here.quote.previous_close is not None:
        return False  # its base is the one of before
    if row.day is None or (row.base == here.base and row.day == here.day):
        return False
    return here.day is None or row.day.settled >= here.day.settled
