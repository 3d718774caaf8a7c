"""How fast prices are recorded, read again, and replayed from the spool.

    python bench/history.py [--quick]

or `make bench ARGS=--history`. The history runs as it is shipped: embedded server, gateway and
recorder with their usual settings. bench/README.md explains the figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import structlog
import trio
from fanout_machine import describe_machine, describe_versions
from history_rig import Market, Rig, Used, running_rig

from stockstream.history.overview import Look
from stockstream.history.queries import FetchCandles, FetchTicks
from stockstream.history.rolling import RollUp
from stockstream.history.sparks import FetchSparks, Wanted
from stockstream.history.upkeep import Retain
from stockstream.statuses import ExchangeDay
from stockstream.times import DAY_MS, HOUR_MS, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from stockstream.database.query import Query
    from stockstream.quotes import Symbol

RESULTS = Path(__file__).resolve().parent / "results"
SYMBOLS = 1_000
TARGET_RATE = 50_000
TARGET_QUERY_MS = 20.0
SHARED = 0.05
"""From this share of waiting on, a rate tells of the machine, not of the program."""
BACKGROUND_RATE = 5_000
"""Ticks per second that are recorded while the second round of queries runs."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    live_seconds: float
    day_ticks: int
    spool_ticks: int
    queries: int


FULL = Extent(live_seconds=30.0, day_ticks=5_000_000, spool_ticks=1_000_000, queries=500)
QUICK = Extent(live_seconds=5.0, day_ticks=400_000, spool_ticks=200_000, queries=100)


@dataclass(frozen=True, slots=True)
class Rate:
    """A stretch of work. CPU in microseconds per tick, ours and PostgreSQL's; shares of a core.

    `waited` is the share of the time in which our thread wanted a core and others had it.
    """

    what: str
    ticks: int
    seconds: float
    ticks_per_second: float
    our_cpu: float
    postgres_cpu: float
    our_share: float
    waited: float

    @classmethod
    def of(cls, what: str, before: Used, after: Used, ticks: int) -> Rate:
        """Between two sums."""
        seconds, ours = after.at - before.at, after.ours - before.ours
        return cls(
            what,
            ticks,
            round(seconds, 2),
            round(ticks / seconds),
            round(ours / ticks * 1e6, 2),
            round((after.postgres - before.postgres) / ticks * 1e6, 2),
            round(ours / seconds, 2),
            round((after.waited - before.waited) / seconds, 3),
        )

    @property
    def alone(self) -> float:
        """Ticks per second if nobody else used the machine, and we and the server took turns."""
        return 1e6 / (self.our_cpu + self.postgres_cpu)


@dataclass(frozen=True, slots=True)
class Latency:
    """Queries, from the question to the gateway to its answer; ms. `rows` is the median.

    The CPU is per query, ours and PostgreSQL's, and None while others used it too: `recording`
    ticks per second were recorded meanwhile. `waited` as in `Rate`.
    """

    what: str
    count: int
    rows: float
    p50: float
    p99: float
    worst: float
    our_cpu: float | None
    postgres_cpu: float | None
    waited: float
    recording: int

    def line(self) -> str:
        """A row of the table."""
        name = f"{self.what}, {self.recording:,}/s recorded" if self.recording else self.what
        figures = f"{self.rows:11,.0f}{self.p50:10.2f}{self.p99:10.2f}{self.worst:10.2f}"
        cpu = [f"{'':9}" if c is None else f"{c:9.2f}" for c in (self.our_cpu, self.postgres_cpu)]
        return f"{name:34}{figures}{''.join(cpu)}{self.waited:7.1%}"


class Bench:
    """Measures one after the other on one database, prints each as it comes, keeps all."""

    def __init__(self, rig: Rig, extent: Extent) -> None:
        self.rig = rig
        self.extent = extent
        self.market = Market(SYMBOLS)
        self.rates: list[Rate] = []
        self.latencies: list[Latency] = []
        self.day = now_ms() // DAY_MS - 1
        self._chance = random.Random(11)

    async def run(self) -> None:
        """All of it."""
        await self.rig.ask(Retain(now_ms()))  # partitions ahead, as the actor has made them
        print(f"\n{'ingest':34}{'ticks':>11}{'s':>8}{'ticks/s':>10}{'us/tick':>9}{'PG us':>8}"
              f"{'core':>7}{'wait':>7}")  # fmt: skip
        await self._fed("as they come, all at one minute", live(self.extent.live_seconds))
        moments = over_a_day(self.day, self.extent.day_ticks // SYMBOLS)
        await self._fed("a day's, minute by minute", moments)
        await self._rolled_up()
        await self._spooled()
        print(f"\n{'query':34}{'rows':>11}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'CPU ms':>9}"
              f"{'PG ms':>9}{'wait':>7}")  # fmt: skip
        await self._queried(0)
        async with trio.open_nursery() as nursery:
            batches = self.market.batches(live(math.inf))
            nursery.start_soon(self.rig.feed, batches, SYMBOLS / BACKGROUND_RATE)
            await self._queried(BACKGROUND_RATE)
            nursery.cancel_scope.cancel()

    async def _fed(self, what: str, moments: Iterable[int]) -> None:
        before = self.rig.used()
        ticks = await self.rig.feed(self.market.batches(moments))
        await self.rig.until_recorded()
        self._take(Rate.of(what, before, self.rig.used(), ticks))

    async def _rolled_up(self) -> None:
        before, hours = self.rig.used(), 0
        while done := await self.rig.ask(RollUp(now_ms())):
            hours += done
        after = self.rig.used()
        print(f"{f'{hours} hours rolled up':45}{after.at - before.at:8.1f}")

    async def _spooled(self) -> None:
        await self.rig.stop_database()
        moments = [now_ms()] * (self.extent.spool_ticks // SYMBOLS)
        before = self.rig.used()
        ticks = await self.rig.feed(self.market.batches(moments))
        await self.rig.until_spooled()
        after = self.rig.used()
        # The server is away: what it has used is no part of this.
        self._take(Rate.of("to the spool", replace(before, postgres=after.postgres), after, ticks))
        await self.rig.start_database()
        before = self.rig.used()
        left = ticks - (before.ticks - self._recorded())
        await self.rig.until_recorded()
        self._take(Rate.of("from the spool", before, self.rig.used(), left))

    def _recorded(self) -> int:
        return sum(rate.ticks for rate in self.rates[:2])

    async def _queried(self, recording: int) -> None:
        start, end = self.day * DAY_MS, (self.day + 1) * DAY_MS
        week = end - 7 * DAY_MS
        kinds: dict[str, Callable[[Symbol], Query[Collection[object]]]] = {
            "a day of 1m": lambda s: FetchCandles(s, "1m", start, end, 5_000),
            "a day of 5m": lambda s: FetchCandles(s, "5m", start, end, 5_000),
            "a week of 1h": lambda s: FetchCandles(s, "1h", week, end, 5_000),
            "a week of 5m": lambda s: FetchCandles(s, "5m", week, end, 5_000),
            "a week of 30m": lambda s: FetchCandles(s, "30m", week, end, 5_000),
            "a week of 4h": lambda s: FetchCandles(s, "4h", week, end, 5_000),
            "an hour of 1m": lambda s: FetchCandles(s, "1m", end - HOUR_MS, end, 5_000),
            "a day of 100 symbols, 10m": lambda _: self._sparks(start, end),
            "1,000 ticks": lambda s: FetchTicks(s, start, end, 1_000),
        }
        for what, made in kinds.items():
            took, rows, before = [], [], self.rig.used()
            for _ in range(self.extent.queries):
                query = made(self._chance.choice(self.market.symbols))
                begun = time.perf_counter()
                rows.append(len(await self.rig.ask(query)))
                took.append((time.perf_counter() - begun) * 1e3)
            after, cuts = self.rig.used(), quantiles(took, n=100)
            alone = not recording
            latency = Latency(
                what,
                len(took),
                median(rows),
                *(round(value, 2) for value in (cuts[49], cuts[98], max(took))),
                round((after.ours - before.ours) / len(took) * 1e3, 2) if alone else None,
                round((after.postgres - before.postgres) / len(took) * 1e3, 2) if alone else None,
                round((after.waited - before.waited) / (after.at - before.at), 3),
                recording,
            )
            self.latencies.append(latency)
            print(latency.line(), flush=True)

    def _sparks(self, start: int, end: int) -> FetchSparks:
        wanted = Wanted(ExchangeDay("UTC", start, end), None)
        return FetchSparks(dict.fromkeys(self._chance.sample(self.market.symbols, 100), wanted))

    def _take(self, rate: Rate) -> None:
        self.rates.append(rate)
        print(
            f"{rate.what:34}{rate.ticks:11,}{rate.seconds:8.1f}{rate.ticks_per_second:10,}"
            f"{rate.our_cpu:9.2f}{rate.postgres_cpu:8.2f}{rate.our_share:7.2f}{rate.waited:7.1%}",
            flush=True,
        )


def live(seconds: float) -> Iterator[int]:
    """Now, again and again, for some seconds."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        yield now_ms()


def over_a_day(day: int, count: int) -> Iterator[int]:
    """Moments spread over a day that counts from 1970."""
    return (day * DAY_MS + number * DAY_MS // count for number in range(count))


@dataclass(frozen=True, slots=True)
class Target:
    """What was wanted (H17) and what came."""

    what: str
    target: float
    measured: float
    verdict: str


def targets(bench: Bench) -> list[Target]:
    """All of them; `shared` where others had the machine, and by CPU it would have been met."""
    judged = []
    rate = bench.rates[0]
    met = rate.ticks_per_second >= TARGET_RATE
    shared = rate.waited > SHARED and rate.alone >= TARGET_RATE
    verdict = "met" if met else "shared" if shared else "MISSED"
    what = f"ingest {rate.what}, ticks/s"
    judged.append(Target(what, TARGET_RATE, rate.ticks_per_second, verdict))
    cpu = 0.0
    for latency in bench.latencies:
        if latency.what == "a day of 1m":
            cpu = cpu or (latency.our_cpu or 0.0) + (latency.postgres_cpu or 0.0)
            shared = latency.waited > SHARED and cpu <= TARGET_QUERY_MS
            met = latency.p99 <= TARGET_QUERY_MS
            verdict = "met" if met else "shared" if shared else "MISSED"
            what = f"{latency.what}, {latency.recording:,} ticks/s recorded, p99 ms"
            judged.append(Target(what, TARGET_QUERY_MS, latency.p99, verdict))
    return judged


async def measure(extent: Extent) -> dict[str, object]:
    """Run it all in a folder of its own; the report."""
    with tempfile.TemporaryDirectory(prefix="stockstream-bench-") as name:
        async with running_rig(Path(name)) as rig:
            bench = Bench(rig, extent)
            await bench.run()
            stored = await rig.ask(Look())
    judged = targets(bench)
    print()
    for target in judged:
        print(f"{target.verdict:8}{target.what}: {target.measured:,} for {target.target:,}")
    return {
        "symbols": SYMBOLS,
        "database_bytes": stored.bytes,
        "postgresql": stored.server,
        "rates": [asdict(rate) for rate in bench.rates],
        "latencies": [asdict(latency) for latency in bench.latencies],
        "targets": [asdict(target) for target in judged],
    }


def main() -> None:
    """Measure, print, and write bench/results/history.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of five")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    machine = describe_machine()
    print(machine.text)
    report = {
        "machine": machine.fields,
        "versions": describe_versions(),
        "quick": options.quick,
        **trio.run(measure, QUICK if options.quick else FULL),
    }
    RESULTS.mkdir(exist_ok=True)
    name = "history-quick.json" if options.quick else "history.json"
    (RESULTS / name).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
