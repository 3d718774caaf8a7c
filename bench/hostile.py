"""What bad clients are to good ones: prices to the same clients before, beside them, and after.

    python bench/hostile.py [--clients 1000] [--each 200] [--kinds stuck slow flooder vanished]

StockStream runs as in bench/fanout.py, with its usual flush interval and a market of 400 symbols
that moves ten times a second; each good client has the same 20 of them. Then come so many of each
kind of bad client: one that reads nothing, one that reads a kilobyte a second, one that floods,
one that vanishes without a FIN; all but the flooders want all symbols. Prints a row for each time,
and writes bench/results/hostile.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fanout_machine import describe_machine
from fanout_measures import Plan
from fanout_process import (
    Cores,
    Failed,
    listed_symbols,
    raise_limit_of_open_files,
    run_clients,
    stockstream,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SYMBOLS = 400
WANTED = 20
INTERVAL = 0.1
FLUSH_SECONDS = 0.05
WINDOW_SECONDS = 8.0
MOST_TIMES = 1.2
"""How far the good clients' p99 may move."""
KINDS = ("stuck", "slow", "flooder", "vanished")


def measure(clients: int, each: int, kinds: Sequence[str], cores: Cores) -> dict[str, object]:
    """Have the bad ones come to a fresh server beside `clients`; what came of it."""
    with stockstream(
        cores.server, symbols=SYMBOLS, interval=INTERVAL, flush_interval=FLUSH_SECONDS
    ) as server:
        names = listed_symbols(server, SYMBOLS)
        plan = Plan(
            server.pid,
            server.port,
            clients,
            1,
            WINDOW_SECONDS,
            symbols=names[:WANTED],
            set_size=(WANTED, WANTED),
        )
        bad = {"each": each, "kinds": list(kinds)}
        return run_clients("hostile_clients.py", {**asdict(plan), **bad}, cores.clients)


def verdict(p99: dict[str, float]) -> str:
    """What is to be said of the p99 of all frames alone and of all frames beside the bad ones.

    Times in which others had the server's core are in neither: they say nothing of the server.
    """
    if len(p99) < 2:
        return "shared: others had the core; run it again on a machine with nothing else to do"
    ratio = p99["beside"] / p99["alone"]
    return (
        f"{'met' if ratio <= MOST_TIMES else 'MISSED'}: the good ones' p99 is "
        f"{p99['alone']:.1f} ms alone, {p99['beside']:.1f} ms beside the bad ones: "
        f"{ratio:.2f} times (<= {MOST_TIMES:g})"
    )


def main() -> None:
    """Measure, print, and write bench/results/hostile.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    raise_limit_of_open_files()
    cores = Cores.choose()
    machine = describe_machine()
    print(machine.text, end="\n\n")
    result = measure(options.clients, options.each, options.kinds, cores)
    print("when                   p50     p99     max ms   server CPU  waited   MB grown  clients")
    times = result["times"]
    assert isinstance(times, list)
    for row in times:
        print(
            f"{row['when']:20} {row['p50']:6.1f}  {row['p99']:6.1f}  {row['max']:6.0f}     "
            f"{row['server_cpu']:9.0%}  {row['server_waited']:6.0%}   "
            f"{row['grown'] / 1e6:8.1f}  {row['there']:7.0f}"
        )
    print(
        f"ends: {result['ends']}; gone after {result['seconds']:.0f} s; KiB per bad client at "
        f"most: {result['kib_each']:.0f}"
    )
    p99 = result["p99"]
    assert isinstance(p99, dict)
    print(said := verdict(p99))
    report = {
        "machine": machine.fields,
        "clients": options.clients,
        "each": options.each,
        **result,
        "verdict": said,
    }
    if set(options.kinds) != set(KINDS):
        return
    results = Path(__file__).resolve().parent / "results"
    results.mkdir(exist_ok=True)
    (results / "hostile.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"hostile: {error}")
