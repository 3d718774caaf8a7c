"""The range of time that a question about history asks for.

It is given by its ends, or as `last`: so much time up to now. The server works that out by its own
clock. A browser whose clock is wrong would ask for another range than it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS
from web.parameters import InvalidParameterError, Parameter, Wrong, once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web.parameters import Asked

AHEAD_MS = HOUR_MS
"""Without `to`, a range goes so far beyond now: stored times may be ahead of our clock."""
_UNITS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_LAST = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_SHOWN = 32


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


def last(*instead_of: Parameter[int | None]) -> Parameter[int | None]:
    """The parameter `last`, in ms; only without those that it is given instead of.

    They are declared before it.
    """
    others = " and ".join(f"`{parameter.name}`" for parameter in instead_of)

    def read(given: Sequence[str], asked: Asked) -> int | None:
        text = once(given)
        if text is None:
            return None
        found = _LAST.fullmatch(text)
        if found is None:
            raise Wrong(
                f"a number of minutes, hours, days or weeks, such as 15m, 1h, 1d or 1w, "
                f"not {text[:_SHOWN]!r}"
            )
        if any(asked.get(parameter) is not None for parameter in instead_of):
            raise Wrong(f"give either this, or {others}")
        return int(found[1]) * _UNITS[found[2]]

    return Parameter(
        "last",
        "So much time up to now, by the server's clock, from the begin of a candle on: a number of "
        f"minutes (`m`), hours (`h`), days (`d`) or weeks (`w`). Instead of {others}.",
        {"type": "string", "pattern": f"^{_LAST.pattern}$", "examples": ["15m", "1h"]},
        read,
    )


def up_to_now(length: int, step: int, now: int) -> Range:
    """The last `length` ms, from the begin of a candle of `step` ms on; its own is the last one."""
    start = max(0, now - length)
    return Range(start - start % step, now + 1)
