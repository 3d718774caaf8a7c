"""What a price costs on its whole way: from a provider's socket to clients' and into PostgreSQL.

    python bench/ingest.py [--rate 50000] [--symbols 1000] [--clients 100] [--seconds 5] [--profile]

The shipped server runs on one core; the provider (`ingest_feed.py`), the clients and PostgreSQL are
other processes on the other cores. The same prices come three ways, each to a fresh server, in one
run: pushed with one price in a frame, as Kraken sends them; pushed with twenty in a frame, as those
send that gather; and polled, all symbols in one answer. Each client wants 20 symbols of its own.
Prints the rows and writes bench/results/ingest.json; bench/README.md explains the figures.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from fanout_machine import RESULTS, describe_machine, describe_versions, keep
from fanout_measures import Plan, process_cpu, waited
from fanout_process import (
    Cores,
    Failed,
    Process,
    children_cpu,
    free_port,
    listed_symbols,
    load,
    raise_limit_of_open_files,
    served,
    started,
)
from fanout_profile import profile, shares
from ingest_feed import symbol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGET_RATE = 50_000
TARGET_CPU = 20.0
"""Microseconds of the server's process for each quote."""
SET_SIZE = 20
WINDOWS = 3
CALM_SECONDS = 3.0
SETTLE_SECONDS = 30.0
SHARED = 0.05
"""From this share of waiting on, a rate tells of the machine, not of the program."""
RECORDED = re.compile(r"^stockstream_ticks_recorded_total ([0-9.e+]+)$", re.MULTILINE)
TOKEN = "of a benchmark, which has no operator"


@dataclass(frozen=True, slots=True)
class Way:
    """How prices come: pushed with `batch` of them in a frame, or polled where it is 0."""

    name: str
    batch: int

    def settings(self, feed: Process, options: argparse.Namespace) -> dict[str, str]:
        """What makes the server take them so."""
        if self.batch:
            return {
                "PROVIDERS": f"feed=kraken://?url=ws://127.0.0.1:{feed.port}/v2",
                "SYMBOLS": ",".join(symbol(number) for number in range(options.symbols)),
            }
        return {
            "STOCK_API_URL": f"http://127.0.0.1:{feed.port}",
            "FETCH_INTERVAL": f"{options.symbols / options.rate:g}",
            "FETCH_JITTER": "0",
        }


WAYS = (Way("push, 1 in a frame", 1), Way("push, 20 in a frame", 20), Way("poll", 0))


@dataclass(frozen=True, slots=True)
class Used:
    """Sums since each process began: CPU in seconds, prices sent and recorded."""

    at: float
    server: float
    postgres: float
    feed: float
    server_waited: float
    sent: int
    recorded: int

    @classmethod
    def now(cls, server: Process, feed: Process) -> Used:
        """As of now."""
        return cls(
            time.monotonic(),
            process_cpu(server.pid),
            children_cpu(server.pid),
            process_cpu(feed.pid),
            waited(server.pid),
            sent(feed),
            recorded(server),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one way. CPU in microseconds per quote recorded, of each process, until the last
    one was; latency in ms from the provider's time to the client's socket; shares of a core.

    `lost` is how many of the prices that were sent never came to PostgreSQL.
    """

    way: str
    sent_per_second: float
    recorded_per_second: float
    updates_per_second: float
    server_cpu: float
    postgres_cpu: float
    feed_cpu: float
    clients_cpu: float
    server_share: float
    server_waited: float
    latency_p50: float
    latency_p99: float
    sent: int
    lost: int

    @property
    def reaches(self) -> bool:
        """Whether it is as fast and as cheap as is asked for."""
        return self.server_cpu <= TARGET_CPU and self.recorded_per_second >= 0.98 * TARGET_RATE

    def line(self) -> str:
        """For people."""
        return (
            f"{self.way:20} {self.sent_per_second:9,.0f} {self.recorded_per_second:11,.0f} "
            f"{self.updates_per_second:10,.0f} {self.server_cpu:10.1f} {self.postgres_cpu:7.1f} "
            f"{self.feed_cpu:5.1f} {self.clients_cpu:8.1f} {self.server_share:6.2f} "
            f"{self.server_waited:5.2f} {self.latency_p50:7.0f} {self.latency_p99:7.0f} "
            f"{self.lost:9,}"
        )


HEAD = (
    "way                     sent/s  recorded/s  updates/s  server us   PG us  feed  clients  share"
    "  wait  p50 ms  p99 ms      lost"
)


def read(address: str) -> str:
    """A page, for the operator."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        body: bytes = response.read()
    return body.decode()


def sent(feed: Process) -> int:
    """How many prices the provider has sent."""
    return int(read(f"http://127.0.0.1:{feed.port}/sent"))


def recorded(server: Process) -> int:
    """How many prices the server has written to PostgreSQL."""
    found = RECORDED.search(read(f"http://127.0.0.1:{server.port}/metrics"))
    if found is None:
        raise Failed("the server does not say how many ticks it has recorded")
    return int(float(found[1]))


@contextmanager
def feeding(way: Way, options: argparse.Namespace, core: int) -> Iterator[Process]:
    """The provider."""
    port = free_port()
    script = Path(__file__).with_name("ingest_feed.py")
    arguments = [port, options.symbols, options.rate, max(way.batch, 1)]
    with started([sys.executable, str(script), *map(str, arguments)], port, core) as feed:
        yield feed


def measure(way: Way, cores: Cores, options: argparse.Namespace) -> Row:
    """Run the server with this way, and count."""
    with feeding(way, options, cores.clients) as feed:
        settings = {"ADMIN_TOKEN": TOKEN, **way.settings(feed, options)}
        with served(cores.server, settings) as server:
            names = listed_symbols(server, options.symbols)
            until_recorded(server, feed)
            read(f"http://127.0.0.1:{feed.port}/begin")
            time.sleep(CALM_SECONDS)
            plan = Plan(
                server.pid,
                server.port,
                options.clients,
                WINDOWS,
                options.seconds,
                symbols=names,
                set_size=(SET_SIZE, SET_SIZE),
                different=True,
            )
            around: list[Used] = []
            during = partial(watch, server, feed, way, cores, options, around)
            windows = load(plan, cores.clients, during).windows
            before, end, after = around
            seconds = end.at - before.at
            quotes = after.recorded - before.recorded
            if not quotes:
                raise Failed("no price was recorded")
            clients = sum(w.client_cpu for w in windows) / sum(w.seconds for w in windows)
            return Row(
                way.name,
                (end.sent - before.sent) / seconds,
                (end.recorded - before.recorded) / seconds,
                median(w.updates / w.seconds for w in windows),
                1e6 * (after.server - before.server) / quotes,
                1e6 * (after.postgres - before.postgres) / quotes,
                1e6 * (after.feed - before.feed) / quotes,
                1e6 * clients * seconds / quotes,
                (end.server - before.server) / seconds,
                (end.server_waited - before.server_waited) / seconds,
                median(w.latency_p50 for w in windows),
                median(w.latency_p99 for w in windows),
                after.sent - before.sent,
                max(0, after.sent - after.recorded),
            )


def watch(
    server: Process,
    feed: Process,
    way: Way,
    cores: Cores,
    options: argparse.Namespace,
    around: list[Used],
) -> None:
    """Take the sums while the clients count: before, when the provider ends, and when all that it
    sent is recorded.
    """
    if options.profile:
        raw = RESULTS / f"profile-ingest-{way.batch}.raw"
        profile(server.pid, raw, cores.clients)
        for share in shares(raw.read_text()):
            print(f"{share.own:6.1f}  {share.total:12.1f}  {share.function}")
    around.append(Used.now(server, feed))
    time.sleep(WINDOWS * options.seconds - 1)
    around.append(Used.now(server, feed))
    read(f"http://127.0.0.1:{feed.port}/end")
    around.append(until_recorded(server, feed))


def until_recorded(server: Process, feed: Process) -> Used:
    """The sums when all that was sent is recorded, or nothing more is for a while."""
    give_up_at = time.monotonic() + SETTLE_SECONDS
    last = now = Used.now(server, feed)
    while now.recorded < now.sent and now.at < last.at + CALM_SECONDS:
        if now.at > give_up_at:
            raise Failed("what was sent is not recorded in time")
        time.sleep(0.25)
        if last.recorded < now.recorded:
            last = now
        now = Used.now(server, feed)
    return now


def verdict(row: Row) -> str:
    """Whether a row reaches what is asked for, in words."""
    if row.reaches:
        return "reached"
    return "shared" if row.server_waited > SHARED and row.server_cpu <= TARGET_CPU else "MISSED"


def show(rows: Sequence[Row]) -> None:
    """Print what is asked for, and what came."""
    print(f"\nasked for: {TARGET_RATE:,} quotes/s, at most {TARGET_CPU:g} us of the server each")
    for row in rows:
        print(f"{row.way:20} {verdict(row)}")


def main() -> None:
    """Measure, print, and write bench/results/ingest.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=TARGET_RATE)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", choices=[way.name for way in WAYS], help="one of the ways")
    parser.add_argument("--profile", action="store_true", help="where the server's CPU goes")
    options = parser.parse_args()
    raise_limit_of_open_files()
    cores, machine = Cores.choose(), describe_machine()
    print(machine.text, end="\n\n")
    print(HEAD)
    rows = []
    for way in WAYS:
        if options.only in {None, way.name}:
            rows.append(measure(way, cores, options))
            print(rows[-1].line(), flush=True)
    show(rows)
    if options.only is None and not options.profile:
        report = {
            "machine": machine.fields,
            "versions": describe_versions(),
            "asked": {"quotes_per_second": TARGET_RATE, "server_cpu_us": TARGET_CPU},
            "rate": options.rate,
            "symbols": options.symbols,
            "clients": options.clients,
            "set_size": SET_SIZE,
            "rows": [{**asdict(row), "verdict": verdict(row)} for row in rows],
        }
        keep("ingest", report)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"ingest: {error}")
