"""Whatever happens in whatever order, stored candles are those of all ticks that ever came.

Arbitrary histories on a real PostgreSQL, beside a model that forgets nothing: prices recorded in
time and late, imports of new, old and known ticks, roll-ups, retention, rebuilds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from stockstream.history import upkeep
from stockstream.history.candles import INTERVALS, Candle, Tick, begin_of
from stockstream.history.queries import FetchCandles
from stockstream.history.recording import Record
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.history.sparks import BIN_MS, FetchSparks, Spark, Wanted
from stockstream.history.transfer import ImportTicks
from stockstream.history.upkeep import Retain
from stockstream.quotes import Symbol
from stockstream.statuses import ExchangeDay
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS, to_ms
from tests.support.deep import DEEP
from tests.support.gateway import DAY, batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.database.query import Query

EXAMPLES = 5_000 if DEEP else 200
KEPT = {"ticks": 1.0, "candles_1m": 2.0}
SYMBOLS = ("A", "B")
FIVE = INTERVALS["5m"]
CLEAN = """
DELETE FROM ticks; DELETE FROM candles; DELETE FROM batches; DELETE FROM rollups_due;
UPDATE thinned SET before = '0001-01-01 00:00+00'
"""

# Few places, so that ticks meet in minutes, in hours and in days, and at the same moment. A place
# is so many days ago, at a time of the day.
_places = st.tuples(
    st.integers(0, 4),
    st.builds(
        lambda hour, minute, second: hour * HOUR_MS + minute * MINUTE_MS + second * 1000,
        st.sampled_from((0, 1)),
        st.sampled_from((0, 1, 7)),
        st.sampled_from((0, 30)),
    ),
)
_new = st.tuples(st.sampled_from(SYMBOLS), _places, st.integers(1, 9))
_news = st.lists(_new, min_size=1, max_size=8)
_record = st.tuples(st.just("record"), _news)
_import = st.tuples(st.just("import"), _news, st.booleans())
_again = st.tuples(st.just("again"), st.integers(0, 8), st.integers(1, 8))
_wait = st.tuples(st.just("wait"), st.sampled_from((1, 24, 48)))
_roll = st.tuples(st.just("roll"), st.sampled_from((1, 3, 100)))
_retain = st.tuples(st.just("retain"), st.sampled_from((1, 2, 20)))
_rebuild = st.tuples(st.just("rebuild"), st.integers(0, 8))
_days = st.tuples(st.just("days"), st.integers(1, 4))
_late = st.tuples(
    st.just("late"), st.integers(0, 8), st.integers(1, 4), st.integers(1, 9), st.booleans()
)
_steps = st.builds(
    lambda *parts: [step for part in parts for step in part],
    st.lists(st.one_of(_record, _import), min_size=1, max_size=2),
    # Most of what can go wrong does so behind what retention has taken.
    st.sampled_from(([("days", 4)], [("roll", 100)], [])),
    st.lists(
        st.one_of(_late, _record, _import, _again, _wait, _roll, _retain, _rebuild, _days),
        min_size=1,
        max_size=7,
    ),
)


@dataclass
class Model:
    """All ticks that ever came, and where an import may have told what was dropped."""

    ticks: dict[tuple[str, int, int, int], Tick] = field(default_factory=dict)
    unsure: set[tuple[str, int]] = field(default_factory=set)

    def take_in(self, ticks: list[Tick]) -> None:
        self.ticks.update({key(tick): tick for tick in ticks})

    def faults(self, symbol: str, interval: str, found: list[Candle]) -> Iterator[str]:
        """What is wrong with stored candles; of all of them, or of those that are there."""
        length = INTERVALS[interval]
        wanted: dict[int, list[Tick]] = defaultdict(list)
        for tick in self.ticks.values():
            if tick.symbol == symbol:
                wanted[begin_of(tick.ts, length)].append(tick)
        if interval != "1m" and [candle.start for candle in found] != sorted(wanted):
            yield f"{symbol} {interval}: {[c.start for c in found]} for {sorted(wanted)}"
        for candle in found:
            yield from self._faults_of(candle, wanted[candle.start], interval)

    def faults_of_spark(self, symbol: str, spark: Spark | None) -> Iterator[str]:
        """What is wrong with the last prices of ten minutes each."""
        wanted: dict[int, list[Tick]] = defaultdict(list)
        for tick in self.ticks.values():
            if tick.symbol == symbol:
                wanted[tick.ts - tick.ts % BIN_MS].append(tick)
        closes = [] if spark is None else spark.closes
        first = 0 if spark is None else spark.first
        found = {first + n * BIN_MS: c for n, c in enumerate(closes) if c is not None}
        if sorted(found) != sorted(wanted):
            yield f"{symbol}: bins {sorted(found)} for {sorted(wanted)}"
        for start, ticks in wanted.items():
            last = max(t.ts for t in ticks)
            if found.get(start) not in {t.price for t in ticks if t.ts == last}:
                yield f"{symbol}: {found.get(start)} at {start} of {ticks}"

    def _faults_of(self, candle: Candle, ticks: list[Tick], interval: str) -> Iterator[str]:
        length = INTERVALS[interval]
        where = f"{interval} {candle} of {ticks}"
        if not ticks:
            yield f"made up: {where}"
            return
        first, last = min(t.ts for t in ticks), max(t.ts for t in ticks)
        prices = [t.price for t in ticks]
        right = (
            (candle.first_at, candle.last_at) == (first, last)
            and (candle.high, candle.low) == (max(prices), min(prices))
            # Of ticks at one moment, any is the first and any the last.
            and candle.open in {t.price for t in ticks if t.ts == first}
            and candle.close in {t.price for t in ticks if t.ts == last}
        )
        if not right:
            yield f"prices: {where}"
        if candle.ticks != len(ticks) and not (candle.partial and candle.ticks < len(ticks)):
            yield f"count: {where}"
        traded = [t.volume for t in ticks if t.volume is not None]
        most = sum(traded) if traded else None
        # Of a partial one, what was traded with the ticks that are not counted is not, either.
        less = candle.partial and (candle.volume or 0.0) <= (most or 0.0)
        if candle.volume != most and not less:
            yield f"volume: {where}"
        may_be = any(
            symbol == candle.symbol
            and start < candle.start + length
            and candle.start < start + FIVE
            for symbol, start in self.unsure
        )
        if candle.partial and not may_be:
            yield f"partial without need: {where}"


def tick_of(symbol: str, price: int, ts: int, received: int, seq: int) -> Tick:
    """Some tell what was traded, and some do not."""
    volume = None if price % 3 == 0 else float(price)
    return Tick(symbol, None, float(price), ts, received, 1, seq, volume=volume)


def key(tick: Tick) -> tuple[str, int, int, int]:
    return tick.symbol, tick.ts, tick.epoch, tick.seq


class Machine:
    """Does on the server and in the model what a history says."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._model = Model()
        self._now = DAY + 2 * HOUR_MS
        self._seq = 0

    async def run(self, steps: list[tuple[Any, ...]]) -> None:
        await self._connection.execute(CLEAN)
        for name, *arguments in steps:
            note(f"{name} {arguments}")
            await getattr(self, f"_{name}")(*arguments)
        await self._check(*INTERVALS)
        await self._roll(10_000)
        await self._check(*INTERVALS)

    async def _ask(self, query: Query[Any]) -> Any:
        return await query.run(self._connection)

    def _made(self, news: list[tuple[str, tuple[int, int], int]], *, at_once: bool) -> list[Tick]:
        """Ticks of some places; received then, or now."""
        made = []
        for symbol, place, price in news:
            self._seq += 1
            ts = self._at(place)
            received = self._now if at_once else ts
            made.append(tick_of(symbol, price, ts, received, self._seq))
        return made

    def _at(self, place: tuple[int, int]) -> int:
        ago, time = place
        return (self._now // DAY_MS - ago) * DAY_MS + time

    async def _record(self, news: list[tuple[str, tuple[int, int], int]]) -> None:
        ticks = self._made(news, at_once=True)
        await self._ask(Record([batch(self._seq, *ticks)]))
        self._model.take_in(ticks)

    async def _import(self, news: list[tuple[str, tuple[int, int], int]], at_once: bool) -> None:
        await self._import_all(self._made(news, at_once=at_once))

    async def _again(self, first: int, count: int) -> None:
        """Import what came before, as from an export."""
        await self._import_all(list(self._model.ticks.values())[first : first + count])

    async def _late(self, first: int, count: int, price: int, live: bool) -> None:
        """New ticks of moments, or next to moments, that had some."""
        there = list(self._model.ticks.values())[first : first + count]
        ticks = []
        for number, tick in enumerate(there):
            self._seq += 1
            ts, received = tick.ts + number % 2 * 1000, self._now if live else tick.received
            ticks.append(tick_of(tick.symbol, price, ts, received, self._seq))
        if live and ticks:
            await self._ask(Record([batch(self._seq, *ticks)]))
            self._model.take_in(ticks)
        elif ticks:
            await self._import_all(ticks)

    async def _import_all(self, ticks: list[Tick]) -> None:
        if not ticks:
            return
        rows = await self._connection.fetch("SELECT symbol, ts, epoch, seq FROM ticks")
        there = {(row[0], to_ms(row[1]), row[2], row[3]) for row in rows}
        gone = {(t[0], t[1] // FIVE) for t in self._model.ticks.keys() - there}
        touched = {(t.symbol, t.ts // FIVE) for t in ticks}
        self._model.unsure |= {(symbol, n * FIVE) for symbol, n in gone & touched}
        await self._ask(ImportTicks(ticks))
        self._model.take_in(ticks)

    async def _wait(self, hours: int) -> None:
        self._now += hours * HOUR_MS

    async def _roll(self, hours: int) -> None:
        await self._ask(RollUp(self._now + DAY_MS, hours))

    async def _retain(self, steps: int) -> None:
        for _ in range(steps):
            done = await self._ask(Retain(self._now, KEPT))
            if done.dropped or done.deleted:
                event("something was dropped")
            if not done.more:
                break

    async def _days(self, days: int) -> None:
        """What the server does by itself, after a few days."""
        await self._wait(24 * days)
        await self._roll(100)
        await self._retain(20)

    async def _rebuild(self, number: int) -> None:
        """An hour that had a tick."""
        for tick in list(self._model.ticks.values())[number : number + 1]:
            await self._ask(Rebuild(tick.ts // HOUR_MS))

    async def _check(self, *intervals: str) -> None:
        whole = Wanted(ExchangeDay("UTC", DAY - 16 * DAY_MS, self._now + DAY_MS), None)
        sparks = await self._ask(FetchSparks({Symbol(symbol): whole for symbol in SYMBOLS}))
        for symbol in SYMBOLS:
            faults = list(self._model.faults_of_spark(symbol, sparks.get(symbol)))
            assert not faults, "\n".join(faults)
            for interval in intervals:
                asked = FetchCandles(symbol, interval, DAY - 16 * DAY_MS, self._now + DAY_MS, 5_000)
                found = await self._ask(asked)
                if interval == "1m":
                    # Late ones of minutes that are gone wait for their roll-up, then go too.
                    before = await self._connection.fetchval(
                        "SELECT before FROM thinned WHERE source = 'candles_1m'"
                    )
                    found = [candle for candle in found if candle.start >= to_ms(before)]
                faults = list(self._model.faults(symbol, interval, found))
                assert not faults, "\n".join(faults)
                if any(candle.partial for candle in found):
                    event(f"a partial candle of {interval}")


@pytest.mark.proves("H5", "H6", "H21")
def test_a_stored_candle_is_that_of_all_ticks_or_says_that_it_is_partial(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices are always right; the count too, but where an import told what may have been there."""
    monkeypatch.setattr(upkeep, "DAYS_AHEAD", 0)  # most of the time went into making partitions
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(
        asyncpg.connect(database_url, server_settings={"synchronous_commit": "off"})
    )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(_steps)
    def any_history(steps: list[tuple[Any, ...]]) -> None:
        loop.run_until_complete(Machine(connection).run(steps))

    try:
        any_history()
    finally:
        loop.run_until_complete(connection.close())
        loop.close()
