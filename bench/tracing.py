"""What traces cost the fan-out: the same server without a collector and with one, in turns.

`python bench/tracing.py` measures equal sets for 1,000 clients flat out: off, at 1 % and at 100 %.
`--before FOLDER` puts another checkout beside, with no traces: what was there before they were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from fanout import FLUSH_SECONDS, RESULTS, equal
from fanout_machine import describe_machine
from fanout_measures import Plan
from fanout_process import (
    Cores,
    Failed,
    free_port,
    listed_symbols,
    load,
    on_core,
    raise_limit_of_open_files,
    served,
)
from fanout_report import Figures

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW = equal(1_000)
SINK = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
"""
"""A collector that reads and forgets, as quickly as may be."""


@contextmanager
def collector(core: int) -> Iterator[int]:
    """Its port."""
    port = free_port()
    with on_core(core):
        process = subprocess.Popen([sys.executable, "-c", SINK, str(port)])
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def variants(port: int, before: Path | None) -> dict[str, dict[str, str]]:
    """The settings of each, by its name."""

    def at(ratio: float) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(ratio),
        }

    found = {} if before is None else {"before": {"PYTHONPATH": str(before)}}
    return found | {"off": {}, "1 %": at(0.01), "100 %": at(1.0)}


def measure(cores: Cores, settings: dict[str, str], seconds: float) -> Figures:
    """One server, one crowd."""
    market = {
        "STOCK_API_URL": f"sim://?symbols={ROW.symbols}&interval={ROW.flat_out:g}&seed=7",
        "FLUSH_INTERVAL": f"{FLUSH_SECONDS:g}",
        "FETCH_JITTER": "0",
    }
    with served(cores.server, market | settings) as server:
        plan = Plan(server.pid, server.port, ROW.clients, 3, seconds, stuck=1, stamped=False)
        symbols = listed_symbols(server, ROW.symbols)
        result = load(replace(plan, symbols=symbols, set_size=ROW.set_size), cores.clients)
    return Figures.of(
        [result],
        server="stockstream",
        sets=ROW.name,
        clients=ROW.clients,
        set_size=ROW.set_size,
        load="flat out",
        interval=ROW.flat_out,
        flush_interval=FLUSH_SECONDS,
    )


def main() -> None:
    """Measure in turns, print, and write bench/results/tracing.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each window")
    parser.add_argument("--before", type=Path, help="a checkout to put beside")
    options = parser.parse_args()
    raise_limit_of_open_files()
    cores, machine = Cores.choose(), describe_machine()
    print(machine.text, end="\n\n")
    found: dict[str, list[float]] = {}
    with collector(cores.clients) as port:
        beside = variants(port, options.before)
        for number in range(options.rounds):
            # In turns, and each round the other way round: a machine gets slower as it gets warm.
            for name in sorted(beside, reverse=bool(number % 2)):
                figures = measure(cores, beside[name], options.seconds)
                cost = figures.server_cpu_per_update * 1e6
                found.setdefault(name, []).append(cost)
                print(f"{number + 1} {name:7} {cost:.3f} us/update", flush=True)
    costs = {name: round(median(found[name]), 4) for name in beside}
    least = {name: round(min(found[name]), 4) for name in beside}
    ratios = {
        name: round(median(a / b for a, b in zip(found[name], found["off"], strict=True)), 4)
        for name in beside
    }
    print("\nmedians", costs, "\nleast", least, "\nby pairs, to off", ratios)
    report = {
        "machine": machine.fields,
        "us_per_update": costs,
        "least_us_per_update": least,
        "to_off": ratios,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tracing.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"tracing: {error}")
