"""What it costs to send prices to thousands of clients: the shipped server, and others beside it.

    python bench/fanout.py [--quick] [--only equal|mixed|peers] [--login] [--book]
                            [--profile]

Each server runs on one core, the clients on another one. StockStream is started as its users start
it (`python -m stockstream serve`) with a simulated market: its actors, protocol and limits are on,
and one more client than said has stopped reading. bench/README.md explains the figures.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fanout_machine import describe_machine, describe_versions
from fanout_measures import Plan, Result
from fanout_process import (
    Cores,
    Failed,
    Process,
    free_port,
    listed_symbols,
    load,
    raise_limit_of_open_files,
    started,
    stockstream,
)
from fanout_profile import PROFILE_SECONDS, profile, shares
from fanout_report import (
    HALF_LOAD,
    RATE,
    Figures,
    print_head,
    print_row,
    print_targets,
    ratios,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
FLUSH_SECONDS = 0.01
FLAT_OUT = 1_700_000
FLAT_OUT_DIFFERENT = 900_000
"""Updates per second that the simulated market asks for: more than can be carried, but not by
far, because each price it makes is parsed, recorded and thrown away on the server's core."""
SHORTEST_INTERVAL = 0.01
GENTLE, GENTLE_INTERVAL = "1 Hz", 1.0
PEER_INTERVAL = 0.04
PEERS = {
    "floor": "floor.py",
    "websockets": "websockets_broadcast.py",
    "starlette": "starlette_uvicorn.py",
    "ws": "ws.mjs",
    "quart-trio": "quart_trio_channels.py",
}
PLACEHOLDER = "YYYY-MM-DDTHH:MM:SS.mmmZ"
"""Stands for the time of the broadcast in the message that the peers are given."""
STAMP = re.compile(r'(?<="timestamp":")[^"]{24}')


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of StockStream: who subscribes to what. `set_size` is (least, most)."""

    name: str
    clients: int
    symbols: int
    set_size: tuple[int, int]
    different: bool = False

    @property
    def updates_per_flush(self) -> float:
        """When every price moved."""
        return self.clients * sum(self.set_size) / 2

    @property
    def flat_out(self) -> float:
        """The market's interval at which the server has more to do than it can, in seconds."""
        most = FLAT_OUT_DIFFERENT if self.different else FLAT_OUT
        return max(SHORTEST_INTERVAL, self.updates_per_flush / most)


def equal(clients: int, size: int = 20) -> Row:
    """All clients have the same symbols."""
    return Row("equal", clients, size, (size, size))


def crowd(clients: int) -> Row:
    """As many as one node is made for, with equal sets, at a gentle rate."""
    return Row("crowd", clients, 20, (20, 20))


def mixed(clients: int, least: int = 20, most: int = 20) -> Row:
    """Each client has a random set of 400 symbols to itself."""
    return Row("mixed", clients, 400, (least, most), different=True)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    flat_out: tuple[Row, ...]
    half_load: tuple[Row, ...]
    gentle: tuple[Row, ...]
    peer_clients: int
    peer_sizes: tuple[int, ...]
    peer_rounds: int
    windows: int
    window_seconds: float


FULL = Extent(
    flat_out=(
        equal(100),
        equal(1_000),
        equal(5_000),
        mixed(100),
        mixed(1_000),
        mixed(5_000),
        mixed(1_000, 20, 400),
    ),
    half_load=(equal(100), equal(1_000), equal(5_000), mixed(1_000)),
    gentle=(crowd(10_000),),
    peer_clients=1_000,
    peer_sizes=(20, 1),
    peer_rounds=2,
    windows=3,
    window_seconds=2.0,
)
QUICK = Extent(
    flat_out=(equal(100), equal(1_000), mixed(1_000)),
    half_load=(equal(1_000),),
    gentle=(),
    peer_clients=300,
    peer_sizes=(20,),
    peer_rounds=1,
    windows=2,
    window_seconds=1.0,
)


class Bench:
    """Runs measurements, prints each as it comes, and keeps all."""

    def __init__(
        self, extent: Extent, cores: Cores, *, login: bool = False, book: bool = False
    ) -> None:
        self.extent = extent
        self.cores = cores
        self.login = login
        self.book = book
        self.rows: list[Figures] = []
        self.skipped: list[str] = []
        self.failed: list[str] = []

    def ours(
        self,
        row: Row,
        interval: float,
        during: Callable[[int], None] | None = None,
        *,
        stamped: bool = True,
    ) -> Result:
        """Measure StockStream; `during` is called with its process id, see `load`."""
        with stockstream(
            self.cores.server,
            symbols=row.symbols,
            interval=interval,
            flush_interval=FLUSH_SECONDS,
            login=self.login,
            book=self.book,
        ) as server:
            plan = replace(
                self._plan(row.clients, server),
                symbols=listed_symbols(server, row.symbols),
                set_size=row.set_size,
                different=row.different,
                stuck=1,
                stamped=stamped,
                token=server.token,
            )
            return load(
                plan, self.cores.clients, None if during is None else partial(during, server.pid)
            )

    def peer(self, command: Sequence[str], row: Row, interval: float, template: Path) -> Result:
        """Measure another server."""
        port = free_port()
        options = [str(port), str(row.clients), str(interval), str(template), PLACEHOLDER]
        with started([*command, *options], port, self.cores.server) as server:
            plan = replace(self._plan(row.clients, server), speaks_stockstream=False)
            return load(plan, self.cores.clients)

    def _plan(self, clients: int, server: Process) -> Plan:
        extent = self.extent
        return Plan(server.pid, server.port, clients, extent.windows, extent.window_seconds)

    def _take(
        self, server: str, row: Row, load_name: str, interval: float, results: Sequence[Result]
    ) -> Figures:
        figures = Figures.of(
            results,
            server=server,
            sets=row.name,
            clients=row.clients,
            set_size=row.set_size,
            load=load_name,
            interval=interval,
            flush_interval=FLUSH_SECONDS,
        )
        self.rows.append(figures)
        print_row(figures)
        return figures

    # What is measured.

    def all_rows(self, only: str | None) -> None:
        """Measure the rows of the extent, or the part of them that is asked for."""
        for row in self.extent.flat_out:
            if only not in {None, row.name}:
                continue
            with self._reporting(f"{row} flat out"):
                self._both_loads(row)
        for row in self.extent.gentle:
            if only in {None, row.name}:
                with self._reporting(f"{row}"):
                    result = self.ours(row, GENTLE_INTERVAL)
                    self._take("stockstream", row, GENTLE, GENTLE_INTERVAL, [result])

    def _both_loads(self, row: Row) -> None:
        result = self.ours(row, row.flat_out, stamped=False)
        figures = self._take("stockstream", row, "flat out", row.flat_out, [result])
        if row in self.extent.half_load:
            busy_seconds = figures.server_cpu_per_update * row.updates_per_flush
            interval = round(2 * max(busy_seconds, SHORTEST_INTERVAL / 2), 4)
            ours = self.ours(row, interval)
            self._take("stockstream", row, HALF_LOAD, interval, [ours])
            with as_template(ours.sample) as template:
                floor = self.peer(floor_command(), row, interval, template)
            self._take("floor", row, HALF_LOAD, interval, [floor])

    def all_peers(self) -> None:
        """Measure StockStream and each peer with the same message at the same rate, in turns."""
        for size in self.extent.peer_sizes:
            row = equal(self.extent.peer_clients, size)
            results: dict[str, list[Result]] = defaultdict(list)
            for _ in range(self.extent.peer_rounds):
                with self._reporting(f"peers, {row}"):
                    self._one_round(row, results)
            for name, measured in results.items():
                self._take(name, row, RATE, PEER_INTERVAL, measured)

    def _one_round(self, row: Row, results: dict[str, list[Result]]) -> None:
        ours = self.ours(row, PEER_INTERVAL)
        results["stockstream"].append(ours)
        with as_template(ours.sample) as template:
            for name, command in self._peers():
                with self._reporting(name):
                    results[name].append(self.peer(command, row, PEER_INTERVAL, template))

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        """Go on without a measurement that broke off; the exit status tells."""
        try:
            yield
        except (Failed, OSError, subprocess.SubprocessError) as error:
            self.failed.append(what)
            print(f"FAILED {what}: {error}", flush=True)

    def _peers(self) -> Iterator[tuple[str, list[str]]]:
        for name in PEERS:
            command = peer_command(name)
            if command is None:
                self.skipped.append(name)
            else:
                yield name, command


@contextmanager
def as_template(message: str) -> Iterator[Path]:
    """A file with a message of ours that the peers send, the time left open."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as template:
        template.write(STAMP.sub(PLACEHOLDER, message))
        template.flush()
        yield Path(template.name)


def floor_command() -> list[str]:
    """How the floor is started; it needs nothing."""
    command = peer_command("floor")
    assert command is not None
    return command


def peer_command(name: str) -> list[str] | None:
    """How a peer is started; None when what it needs is not there."""
    script = HERE / "peers" / PEERS[name]
    if script.suffix != ".mjs":
        return [sys.executable, str(script)]
    node = shutil.which("node")
    if node is None or not (HERE / "peers/node_modules/ws").is_dir():
        return None
    return [node, str(script)]


def run_profile(cores: Cores, *, login: bool) -> None:
    """Show where the server's time goes, for equal and for different sets."""
    bench = Bench(replace(FULL, windows=1, window_seconds=PROFILE_SECONDS + 3), cores, login=login)
    for row in (equal(1_000), mixed(1_000)):
        raw = RESULTS / f"profile-{row.name}.raw"
        bench.ours(row, row.flat_out, partial(profile, raw=raw, core=cores.clients))
        print_profile(row, raw)


def print_profile(row: Row, raw: Path) -> None:
    """Print the functions that a profile is made of."""
    print(f"\n{row.name} sets, {row.clients} clients: share of the server's samples, %")
    print("  self  with callees  function")
    for share in shares(raw.read_text()):
        print(f"{share.own:6.1f}  {share.total:12.1f}  {share.function}")


def main() -> None:
    """Measure, print, and write bench/results/fanout.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of eight")
    parser.add_argument("--only", choices=["equal", "mixed", "crowd", "peers"], help="a part of it")
    parser.add_argument("--profile", action="store_true", help="where the server's CPU goes")
    parser.add_argument("--login", action="store_true", help="with DASHBOARD=login, by API tokens")
    parser.add_argument("--book", action="store_true", help="with bid and ask beside each price")
    options = parser.parse_args()
    raise_limit_of_open_files()
    RESULTS.mkdir(exist_ok=True)
    cores = Cores.choose()
    if cores.server == cores.clients:
        print("one core only: the clients take their time from the server's")
    if options.profile:
        run_profile(cores, login=options.login)
        return
    machine = describe_machine()
    print(machine.text, end="\n\n")
    print_head()
    bench = Bench(QUICK if options.quick else FULL, cores, login=options.login, book=options.book)
    if options.only != "peers":
        bench.all_rows(options.only)
    if options.only in {None, "peers"}:
        bench.all_peers()
    judged = targets(bench.rows)
    print_targets(judged, bench.skipped)
    if options.only is None:
        report = {
            "machine": machine.fields,
            "versions": describe_versions(),
            "quick": options.quick,
            "login": options.login,
            "book": options.book,
            "rows": [figures.fields() for figures in bench.rows],
            "ratios": ratios(bench.rows),
            "targets": [target.fields() for target in judged],
            "skipped": sorted(set(bench.skipped)),
            "failed": bench.failed,
        }
        chosen = [name for name in ("quick", "login", "book") if getattr(options, name)]
        name = "-".join(["fanout", *chosen])
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    if bench.failed:
        sys.exit(f"fanout: {len(bench.failed)} measurements failed")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"fanout: {error}")
