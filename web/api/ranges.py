"""The range of time that a question about history asks for.

It is given by its ends, or as `last`: so much time up to now. The server works that out by its own
clock, and by the calendar of the exchange. A browser whose clock is wrong would ask for another
range than it says.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stockstream.history.candles import begin_of
from stockstream.market.calendars import trading_days_begin
from stockstream.market.exchange_zones import market_of
from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS, to_datetime, to_ms
from web.parameters import InvalidParameterError, Parameter, Wrong, once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol
    from stockstream.tables import Tables
    from web.parameters import Asked

AHEAD_MS = HOUR_MS
"""Without `to`, a range goes so far beyond now: stored times may be ahead of our clock."""
_UNITS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_MONTHS = {"mo": 1, "y": 12}
_LAST = re.compile(r"([1-9][0-9]{0,4})(m|h|d|w|mo|y|td)|ytd|all")
_SHOWN = 32
MOST_TRADING_DAYS = 260


@dataclass(frozen=True, slots=True)
class Range:
    """[`start`, `end`), in ms since 1970."""

    start: int
    end: int

    def check(self) -> Range:
        """The range itself.

        Raises:
            InvalidParameterError: it is empty or backwards; `from` is named.
        """
        if self.start >= self.end:
            why = f"{iso_utc(self.start)} is not before to ({iso_utc(self.end)})"
            raise InvalidParameterError({"from": why})
        return self

    def within(self, widest: int, name: str = "from") -> Range:
        """The range itself.

        Raises:
            InvalidParameterError: it is wider than so many ms; the parameter `name` is named.
        """
        if self.end - self.start > widest:
            why = f"the range is wider than {widest // MINUTE_MS} minutes"
            raise InvalidParameterError({name: why})
        return self


@dataclass(frozen=True, slots=True)
class Last:
    """So much time up to now: `count` of a `unit`; `ytd` and `all` have no count."""

    unit: str
    count: int = 0

    def range(self, step: int, now: int, calendar: str | None) -> Range:
        """From the begin of a candle of `step` ms on; the one of `now` is the last.

        Trading days are those of a `calendar`; where it is not known, plain days.
        """
        start = max(0, begin_of(max(0, self._start(now, calendar)), step))
        return Range(start, now + 1)

    def _start(self, now: int, calendar: str | None) -> int:
        if self.unit in _UNITS:
            return now - self.count * _UNITS[self.unit]
        if self.unit in _MONTHS:
            return months_before(now, self.count * _MONTHS[self.unit])
        if self.unit == "td":
            begin = trading_days_begin(calendar, now, self.count)
            return now - self.count * DAY_MS if begin is None else begin
        return year_begin(now) if self.unit == "ytd" else 0


def months_before(now: int, months: int) -> int:
    """The same day so many months earlier, or the last day of that month; UTC, not before 1970."""
    at = to_datetime(now)
    month = at.year * 12 + at.month - 1 - months
    if month < _EPOCH_MONTH:
        return 0
    year, month = divmod(month, 12)
    day = min(at.day, monthrange(year, month + 1)[1])
    return to_ms(at.replace(year=year, month=month + 1, day=day))


_EPOCH_MONTH = 1970 * 12


def year_begin(now: int) -> int:
    """Midnight of 1 January, UTC."""
    return to_ms(datetime(to_datetime(now).year, 1, 1, tzinfo=UTC))


def last(*instead_of: Parameter[int | None]) -> Parameter[Last | None]:
    """The parameter `last`; only without those that it is given instead of.

    They are declared before it.
    """
    others = " and ".join(f"`{parameter.name}`" for parameter in instead_of)

    def read(given: Sequence[str], asked: Asked) -> Last | None:
        text = once(given)
        if text is None:
            return None
        found = _LAST.fullmatch(text)
        if found is None:
            raise Wrong(
                "a number of minutes, hours, days, weeks, months, years or trading days, such as "
                f"15m, 1h, 1d, 1w, 1mo, 1y or 5td, or ytd or all, not {text[:_SHOWN]!r}"
            )
        if any(asked.get(parameter) is not None for parameter in instead_of):
            raise Wrong(f"give either this, or {others}")
        if found[1] is None:
            return Last(text)
        if found[2] == "td" and int(found[1]) > MOST_TRADING_DAYS:
            raise Wrong(f"{MOST_TRADING_DAYS}td at most, not {text!r}")
        return Last(found[2], int(found[1]))

    return Parameter(
        "last",
        "So much time up to now, by the server's clock, from the begin of a candle on: a number of "
        "minutes (`m`), hours (`h`), days (`d`), weeks (`w`), months (`mo`) or years (`y`). "
        "Or of trading days (`td`): of the days on which the exchange of the symbol has opened, by "
        "its calendar, with the trading before and after; where its hours are not known, and for "
        f"what never closes, plain days. Or `ytd`, since 1 January, or `all`. Instead of {others}.",
        {"type": "string", "pattern": f"^({_LAST.pattern})$", "examples": ["15m", "5td", "1mo"]},
        read,
    )


def calendar_of(tables: Tables, symbol: Symbol) -> str | None:
    """The calendar of the exchange that a symbol is told from, or that it names itself."""
    row = tables.quotes.get(symbol)
    return market_of(None if row is None else row.quote.exchange, symbol).calendar
