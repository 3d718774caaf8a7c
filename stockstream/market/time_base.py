"""The time base of an upstream: how the times it tells now relate to those it told before. Pure.

Quotes are ordered by their provider's own time, so that nobody sees an old price after a newer one.
But a provider's clock may step, and then all it tells is older than what is known, or too far ahead
to be believed. What tells a step from an old replica is that *everything* is off by *one* offset,
and goes on from there: then the offset is taken, and later times are compared after it.

For each symbol with news the offset lies between two bounds: its price is no newer than the
upstream's "now" (the newest time that it told, run on by the monotonic clock), and no older than
the price before it. Thus symbols that trade rarely agree with those that trade all the time. The
offsets of nearly all, over some polls in a row, must have a value in common. An old replica that
answers in between, symbols that are late by different times, a cached answer that stands still:
none of them has. What other upstreams told of a symbol says nothing of this one's clock: a delayed
one is behind with all symbols, and by one offset. Times are in ms; ADR 0149 has the cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from math import inf
from typing import TYPE_CHECKING

import msgspec

from stockstream.market.top_of_book import is_another
from stockstream.statuses import UpstreamClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.quotes import Observation, Symbol
    from stockstream.statuses import QuoteRow

STEP_POLLS = 3
"""So many polls in a row must agree. Clients call a feed stale after three intervals."""
LONE_POLLS = 10
"""The same when there is but one symbol, which agrees with itself too easily."""
MIXED_POLLS = 20
"""The same after an upstream was of two minds: replicas of different age take turns, and three
answers of the older one in a row are no rarity."""
MIXED_MS = 300_000
TOLERANCE_MS = 1_000
"""Many clocks tell seconds."""
LARGEST_LEAD_MS = 5 * 60 * 1000
"""A clock may be a little wrong; a price from a more distant future would never look old again."""
SMALLEST_STEP_MS = 3_000
"""A clock set back by less has caught up as soon as three polls would tell of it."""
EXCUSED = 4
"""One of so many may go without the offset of the others: a feed has a symbol with a wrong time."""
AGREES_MS = 3_600_000
_DRIFT = 1_000
"""Clocks run unlike each other by less than a part in so many."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks when a poll ended, in ms.

    `steady` only runs on; `wall` is ours and `date` what the upstream says it is, since 1970.
    """

    steady: int
    wall: int
    date: int | None = None


@dataclass(slots=True)
class Poll:
    """The observations of a poll, sorted by what they are to those who know the symbols' rows.

    `step` is by how much the upstream's clock was found to have stepped, mostly 0. Those in
    `newer` are to be published, and so is what was `retold`: of the `unchanged` those that came
    with another bid or ask. By what the others are off the most is `furthest` of them.
    """

    newer: list[Observation] = field(default_factory=list)
    outdated: list[Observation] = field(default_factory=list)
    ahead: list[Observation] = field(default_factory=list)
    unchanged: int = 0
    retold: list[Observation] = field(default_factory=list)
    step: int = 0
    known: int = 0
    """Of `newer`, those whose symbol had a row."""
    furthest_outdated: float = 0
    furthest_ahead: float = 0
    lowest: float = -inf
    highest: float = inf
    """The bounds of the offset that nearly all have in common; there is none if they cross."""

    @property
    def suspects(self) -> list[Observation]:
        """What cannot be published by the time base there is, and may tell of another: those that
        are late, or those that are ahead, whichever are more. No offset explains both.
        """
        return self.outdated if len(self.outdated) >= len(self.ahead) else self.ahead

    @property
    def confirms_nothing(self) -> bool:
        """Whether all that came is suspect: no price is any fresher for it."""
        return not self.newer and not self.unchanged and bool(self.suspects)

    @property
    def why(self) -> str:
        """What is wrong with the suspects, for people."""
        return self.why_ahead if self.suspects is self.ahead else self.why_outdated

    @property
    def why_ahead(self) -> str:
        """What is wrong with those ahead, with what is off the most."""
        return f"times came that are {self.furthest_ahead / 1000:.0f} s ahead"

    @property
    def why_outdated(self) -> str:
        """What is wrong with those outdated, with what is off the most."""
        return f"prices came that are {-self.furthest_outdated / 1000:.0f} s older than those known"

    @property
    def looks_like_a_step(self) -> bool:
        """Whether one offset explains what is new, and little of it goes without."""
        agree = self.lowest <= self.highest + 2 * TOLERANCE_MS
        enough = abs(min(self.lowest, self.highest)) >= SMALLEST_STEP_MS
        return agree and enough and len(self.suspects) > self.known


@dataclass(slots=True)
class _Run:
    """Polls in a row that one offset explains."""

    lowest: float
    highest: float
    first: dict[Symbol, Observation]
    symbols: set[Symbol]
    polls: int = 1

    @property
    def offset(self) -> float:
        """What there is of an estimate: by it, what is newest was told just now."""
        return min(self.lowest, self.highest)

    def has_gone_on(self, suspects: Iterable[Observation]) -> bool:
        """Whether they are not what came at first, once more: a time is later, or of the same time
        there is another price. Some upstreams tell minutes only, or days.
        """
        newest = max(seen.timestamp for seen in self.first.values())
        return any(
            seen.timestamp > newest or self.first.get(seen.symbol, seen) != seen
            for seen in suspects
        )

    def takes(self, poll: Poll) -> bool:
        """Whether a poll goes on as this run does; it is part of it then."""
        lowest, highest = max(self.lowest, poll.lowest), min(self.highest, poll.highest)
        if lowest > highest + 2 * TOLERANCE_MS:
            return False
        self.lowest, self.highest = lowest, highest
        self.symbols.update(seen.symbol for seen in poll.suspects)
        self.polls += 1
        return True


class TimeBase:
    """See the module. `clock` is what stands in the table, and outlives whoever holds this.

    `source` is the upstream's name, as the rows hold it that came from there.
    """

    def __init__(
        self, clock: UpstreamClock | None = None, source: str = "", *, steps: bool = True
    ) -> None:
        """Without `steps` the clock is one that is never set, such as that of an exchange: what is
        older than what is known is a late report, however much of it there is.
        """
        self._steps = steps
        self._source = source
        self.clock = clock or UpstreamClock()
        self._run: _Run | None = None
        self._mixed_until = -inf

    def judge(
        self,
        observations: Iterable[Observation],
        rows: Mapping[Symbol, QuoteRow],
        reading: Reading,
    ) -> Poll:
        """Sort a poll, by a new time base when this is the one that shows that it has changed."""
        observations = tuple(observations)
        if self.clock.lead is None:
            self._begin_by(rows, reading)
        poll = self._sorted(observations, rows, reading)
        step = self._step(poll, reading) if self._steps else 0
        if step:
            self._take(step, reading)
            poll = self._sorted(observations, rows, reading)
            poll.step = step
        self._follow(poll, reading)
        return poll

    def witness(self, at: Reading, observations: Iterable[Observation]) -> None:
        """Note whether an upstream on another machine agrees with our clock: by the date of its
        answer, or where there is none by the time of its newest price.
        """
        told = at.date
        if told is None:
            told = max((seen.timestamp for seen in observations), default=0)
        if at.date is not None:
            self.clock = msgspec.structs.replace(self.clock, dated=at.date - at.steady)
        if abs(told - at.wall) <= AGREES_MS:
            agreed: int | None = at.wall - at.steady
        elif at.date is not None:
            agreed = None
        else:
            return  # a price may be old
        self.clock = msgspec.structs.replace(self.clock, agreed=agreed)

    def believes_none(self, observations: Iterable[Observation], at: Reading) -> bool:
        """Whether all of them are of a future too distant to be believed."""
        latest = self._believed(at) + LARGEST_LEAD_MS
        return all(seen.timestamp > latest for seen in observations)

    def _begin_by(self, rows: Mapping[Symbol, QuoteRow], at: Reading) -> None:
        """Know the upstream's "now" by what other nodes were told: the clock here may be behind by
        more than what is believed. Of their times the second newest, as one may be wrong.
        """
        source = self._source
        leads = (
            row.quote.timestamp - row.shift - row.steady
            for row in rows.values()
            if row.source == source
        )
        newest = nlargest(2, leads)
        if newest:
            self.clock = msgspec.structs.replace(self.clock, lead=newest[-1], steady=at.steady)

    def _believed(self, at: Reading) -> int:
        """What the time may be by the upstream's clock: the latest of what is said of it."""
        told = at.wall if at.date is None else max(at.wall, at.date)
        if self.clock.lead is None:
            return told
        return max(told, at.steady + self.clock.lead + self.clock.shift)

    def _sorted(
        self, observations: tuple[Observation, ...], rows: Mapping[Symbol, QuoteRow], at: Reading
    ) -> Poll:
        # Runs for ten thousand symbols while all others wait, so it does little for each.
        poll, shift = Poll(), self.clock.shift
        believed = self._believed(at) - shift
        now = believed if self.clock.lead is None else at.steady + self.clock.lead
        latest = believed + LARGEST_LEAD_MS
        source = self._source
        for seen in observations:
            time = seen.timestamp - shift
            row = rows.get(seen.symbol)
            if row is not None and row.source != source:
                row = None
            if row is not None:
                last = row.quote
                if last.timestamp == seen.timestamp and last.tells_the_same(seen):
                    poll.unchanged += 1
                    if seen.top is not None and is_another(seen.top, last.top):
                        poll.retold.append(seen)
                    continue
            if time > latest:
                poll.ahead.append(seen)
            elif row is None:
                poll.newer.append(seen)
            elif time < row.quote.timestamp - row.shift:
                poll.outdated.append(seen)
            else:
                poll.newer.append(seen)
                poll.known += 1
        if poll.outdated or poll.ahead or self._run is not None:
            self._bound(poll, rows, now)
        return poll

    def _bound(self, poll: Poll, rows: Mapping[Symbol, QuoteRow], now: int) -> None:
        """Work out between what the offset lies, and how far off the suspects are."""
        shift = self.clock.shift

        def times(some: Iterable[Observation]) -> list[int]:
            return [seen.timestamp - shift for seen in some]

        def since_last(some: Iterable[Observation]) -> list[int]:
            known = ((seen, rows.get(seen.symbol)) for seen in some)
            return [
                seen.timestamp - shift - row.quote.timestamp + row.shift
                for seen, row in known
                if row is not None and row.source == self._source
            ]

        poll.furthest_outdated = min(since_last(poll.outdated), default=0)
        poll.furthest_ahead = max(times(poll.ahead), default=now) - now
        # What is newer by the base of before speaks for that base, whatever else there is.
        newest = times(poll.newer)
        suspects = nlargest(2, times(poll.suspects))
        if suspects:
            newest.append(suspects[-1] if len(poll.suspects) >= EXCUSED else suspects[0])
        poll.lowest = max(newest, default=-inf) - now
        since = since_last(poll.newer + poll.suspects)
        if since:
            poll.highest = nsmallest(1 + len(poll.suspects) // EXCUSED, since)[-1]

    def _step(self, poll: Poll, at: Reading) -> int:
        """By how much the clock has stepped, if this poll is the last that it takes to say so."""
        suspects, run = poll.suspects, self._run
        if not suspects and not poll.newer:
            return 0  # nothing is new: that speaks neither for nor against it
        if not suspects or not poll.looks_like_a_step:
            if run is not None and poll.lowest > run.offset + 2 * TOLERANCE_MS:
                # The base of before is still told of: it was another replica, and no step.
                self._mixed_until = at.steady + MIXED_MS
            self._run = None
            return 0
        if run is None or not run.takes(poll):
            first = {seen.symbol: seen for seen in suspects}
            run = self._run = _Run(poll.lowest, poll.highest, first, set(first))
        wanted = STEP_POLLS if len(run.symbols) > 1 else LONE_POLLS
        if at.steady < self._mixed_until:
            wanted = MIXED_POLLS
        if run.polls < wanted or not run.has_gone_on(suspects):
            return 0
        self._run = None
        return round(run.offset)

    def _take(self, step: int, at: Reading) -> None:
        clock = self.clock
        # Without a price so far, our own clock is what it was ahead of.
        lead = self._believed(at) - at.steady if clock.lead is None else clock.lead
        self.clock = msgspec.structs.replace(
            clock, shift=clock.shift + step, steps=clock.steps + 1, lead=lead, steady=at.steady
        )

    def _follow(self, poll: Poll, at: Reading) -> None:
        """Keep what is the upstream's "now": its second newest time, as one may be wrong."""
        clock = self.clock
        newest = nlargest(2, (seen.timestamp for seen in poll.newer))
        told = newest[-1] - clock.shift - at.steady if newest else None
        slower = (at.steady - clock.steady) // _DRIFT
        if told is not None and (clock.lead is None or told >= clock.lead - slower):
            lead = told
        elif clock.lead is not None and slower > 0:
            lead = clock.lead - slower
        else:
            return
        self.clock = msgspec.structs.replace(clock, lead=lead, steady=at.steady)
