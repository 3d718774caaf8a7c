"""What newcomers are to those who are there: a steady stream of them, and a storm.

    python bench/storm.py [--clients 1000] [--rate 250] [--storm 3000]

StockStream runs as in bench/fanout.py, with its usual flush interval, and tells 20 prices five
times a second to each client. Newcomers connect at a steady rate for ten seconds, then many within
two seconds; each is admitted when its first subscription was answered. Prints a row for each, and
writes bench/results/storm.json. See D14 for what is to be reached.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass

from fanout_machine import describe_machine, keep
from fanout_measures import Plan
from fanout_process import (
    Cores,
    Failed,
    Process,
    listed_symbols,
    raise_limit_of_open_files,
    run_clients,
    stockstream,
)

SYMBOLS = 20
INTERVAL = 0.2
FLUSH_SECONDS = 0.05
RATE_SECONDS = 10.0
STORM_SECONDS = 2.0
ALL_WITHIN_SECONDS = 25.0
P99_MS = 100.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`count` newcomers, spread over `seconds`."""

    name: str
    count: int
    seconds: float


def measure(clients: int, arrivals: Arrivals, cores: Cores) -> dict[str, object]:
    """Have newcomers arrive at a fresh server beside `clients`; what came of it."""
    with stockstream(
        cores.server, symbols=SYMBOLS, interval=INTERVAL, flush_interval=FLUSH_SECONDS
    ) as server:
        plan = asdict(_plan(server, clients))
        plan |= {"newcomers": arrivals.count, "arrive_within": arrivals.seconds}
        return run_clients("storm_clients.py", plan, cores.clients)


def _plan(server: Process, clients: int) -> Plan:
    names = listed_symbols(server, SYMBOLS)
    size = (SYMBOLS, SYMBOLS)
    return Plan(server.pid, server.port, clients, 1, 3.0, symbols=names, set_size=size)


def print_row(arrivals: Arrivals, row: dict[str, object]) -> None:
    """Print what was measured."""
    print(
        f"{arrivals.name:8} {arrivals.count:6} in {arrivals.seconds:4.1f} s: "
        f"admitted {row['admitted']:5} within {row['seconds']:5.1f} s "
        f"({row['rate']:4.0f}/s; handshake p50 {row['handshake_p50']:6.0f} p99 "
        f"{row['handshake_p99']:6.0f} ms, lost {row['lost']}, refused {row['refused']})  "
        f"others' p50 {row['before_p50']:.0f} -> {row['p50']:.0f}, "
        f"p99 {row['before_p99']:.0f} -> {row['p99']:.0f}, max {row['max']:.0f} ms, "
        f"their longest silence {row['silence']:.0f} ms  "
        f"server CPU {row['server_cpu']:.0%}, waited {row['server_waited']:.0%}",
        flush=True,
    )


def main() -> None:
    """Measure both, print, and write bench/results/storm.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=250)
    parser.add_argument("--storm", type=int, default=3000)
    options = parser.parse_args()
    raise_limit_of_open_files()
    cores = Cores.choose()
    machine = describe_machine()
    print(machine.text, end="\n\n")
    rows = []
    for arrivals in (
        Arrivals("stream", round(options.rate * RATE_SECONDS), RATE_SECONDS),
        Arrivals("storm", options.storm, STORM_SECONDS),
    ):
        row = measure(options.clients, arrivals, cores)
        print_row(arrivals, row)
        rows.append({**asdict(arrivals), "clients": options.clients, **row})
    report = {
        "machine": machine.fields,
        "limits": {"all_within_seconds": ALL_WITHIN_SECONDS, "p99_ms": P99_MS},
        "rows": rows,
    }
    keep("storm", report)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"storm: {error}")
