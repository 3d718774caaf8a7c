"""What a cluster costs and brings: nodes of the shipped server, joined by a NATS server.

    python bench/cluster.py [--clients 500] [--seconds 6] [--kills 8]

Four rows, each on fresh servers, all in one run. `capacity`: what an update costs a single node,
then each of two nodes with as many clients, in turns. `bus`: what a quote costs the node that
fetches, the one that does not, and NATS, without clients, beside a single node. `propagation`: when
the same price arrives at a client of each node, prices being sent at once. `takeover`: after how
long another node's client sees a new price when the fetching node is killed.
Prints the rows and writes bench/results/cluster.json; of one part, `--only`, beside the last run of
all. See N5, N7 and N16 for what is to be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio
from fanout_machine import describe_machine, keep, kept
from fanout_measures import Plan, process_cpu
from fanout_process import (
    ROOT,
    Cores,
    Failed,
    Process,
    free_port,
    listed_symbols,
    load,
    raise_limit_of_open_files,
    started,
)
from trio_websocket import WebSocketConnection, open_websocket_url

from stockstream.cluster.nats_server import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_SECONDS = 30.0
CALM_SECONDS = 3.0
FLUSH_SECONDS = 0.05
CAPACITY_SYMBOLS, CAPACITY_INTERVAL = 400, 0.1
BUS_SYMBOLS, BUS_INTERVAL = 1_000, 0.1
TAKEOVER_INTERVAL = 0.2
ROUNDS = 3
TAKEOVER_SECONDS = 20.0
TOKEN = "of a benchmark, which has no operator"
WATCHED = "AAPL"


@dataclass(frozen=True, slots=True)
class Market:
    """A simulated market, whose prices all move every `interval` seconds."""

    symbols: int
    interval: float

    @property
    def url(self) -> str:
        """As `STOCK_API_URL` takes it."""
        return f"sim://?symbols={self.symbols}&interval={self.interval:g}&seed=7"


@contextmanager
def nats(core: int) -> Iterator[Process]:
    """A NATS server on a core."""
    port = free_port()
    with started([program(), "-a", "127.0.0.1", "-p", str(port)], port, core) as server:
        yield server


@contextmanager
def node(
    name: str,
    core: int,
    market: Market,
    nats_port: int | None,
    flush: float = FLUSH_SECONDS,
    *,
    may_end: bool = False,
) -> Iterator[Process]:
    """A server, of a cluster where there is a NATS. It keeps no history, as nothing does here."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "NODE_NAME": name,
        "STOCK_API_URL": market.url,
        "FLUSH_INTERVAL": f"{flush:g}",
        "FETCH_JITTER": "0",
        "LOG_FORMAT": "json",
        # One for all, and none that answers: what is measured is the way of a price to clients.
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SECRET_KEY_BASE": "of a benchmark, which keeps no secrets",
        "ADMIN_TOKEN": TOKEN,
    }
    if nats_port is not None:
        environment["CLUSTER_NATS_URL"] = f"nats://127.0.0.1:{nats_port}"
    command = [sys.executable, "-m", "stockstream", "serve"]
    with started(command, port, core, environment, may_end=may_end) as server:
        yield server


@contextmanager
def cluster(
    cores: Cores,
    market: Market,
    count: int,
    flush: float = FLUSH_SECONDS,
    *,
    may_end: bool = False,
) -> Iterator[tuple[list[Process], Process]]:
    """Nodes that know each other, the one that fetches first, and their NATS server."""
    with ExitStack() as stack:
        bus = stack.enter_context(nats(cores.clients))
        nodes = [
            stack.enter_context(
                node(f"node-{n}", cores.server, market, bus.port, flush, may_end=may_end)
            )
            for n in range(1, count + 1)
        ]
        yield by_role(nodes), bus


def by_role(nodes: Sequence[Process]) -> list[Process]:
    """The nodes, once they agree on who fetches: that one first.

    Raises:
        Failed: they do not agree in time.
    """
    give_up_at = time.monotonic() + READY_SECONDS
    views: list[View] = []
    while time.monotonic() < give_up_at:
        views = [View.of(server) for server in nodes]
        holders = {view.holder for view in views}
        agreed = len(holders) == 1 and None not in holders
        if agreed and all(view.ready and view.members == len(nodes) for view in views):
            names = {view.node: server for view, server in zip(views, nodes, strict=True)}
            (holder,) = holders
            assert holder is not None
            return [names[holder], *(s for name, s in names.items() if name != holder)]
        time.sleep(0.1)
    raise Failed(f"the nodes do not agree: {views}")


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as a node sees it."""

    node: str
    ready: bool
    members: int
    holder: str | None

    @classmethod
    def of(cls, server: Process) -> View:
        """Ask a node."""
        address = f"http://127.0.0.1:{server.port}/api/v1/cluster"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            told = json.load(answer)
        holders = [shard["node"] for shard in told["shards"]]
        ready = told["state"] == "ready"
        return cls(told["node"], ready, len(told["members"]), holders[0] if holders else None)


# What an update costs.


def capacity(cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """Updates per CPU second of a single node, and of each of two; in turns."""
    market = Market(CAPACITY_SYMBOLS, CAPACITY_INTERVAL)
    one: list[float] = []
    two: list[float] = []
    for _ in range(ROUNDS):
        with node("single", cores.server, market, None) as single:
            one.append(per_cpu_second(single, cores, options))
        with cluster(cores, market, 2) as (nodes, _bus):
            two += [per_cpu_second(server, cores, options) for server in nodes]
    single_rate = statistics.median(one)
    ratios = [rate / single_rate for rate in two]
    fetching, standing_by = ratios[0::2], ratios[1::2]
    print(f"capacity     single {single_rate:,.0f} updates a CPU second; of that, in a cluster: ")
    print(f"             the fetching node {statistics.median(fetching):.2f} ({spread(fetching)})")
    middle = statistics.median(standing_by)
    print(f"             the other one     {middle:.2f} ({spread(standing_by)})")
    return {
        "clients": options.clients,
        "single": one,
        "fetching_ratio": fetching,
        "standing_by_ratio": standing_by,
    }


def per_cpu_second(server: Process, cores: Cores, options: argparse.Namespace) -> float:
    """Updates that a server sends in a second of its CPU, all else that it does included."""
    names = listed_symbols(server, CAPACITY_SYMBOLS)
    plan = Plan(
        server.pid,
        server.port,
        options.clients,
        2,
        options.seconds,
        symbols=names[:20],
        set_size=(20, 20),
    )
    windows = load(plan, cores.clients).windows
    return statistics.median(w.updates / w.server_cpu for w in windows)


def spread(values: Sequence[float]) -> str:
    """The least and the most."""
    return f"{min(values):.2f} to {max(values):.2f}"


# What the bus costs.


def bus_cost(cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """CPU per quote in microseconds, without clients: of each process, beside a single node's."""
    market = Market(BUS_SYMBOLS, BUS_INTERVAL)
    rows: dict[str, list[float]] = {"single": [], "fetching": [], "standing_by": [], "nats": []}
    for _ in range(ROUNDS):
        with node("single", cores.server, market, None) as single:
            (cost,) = cpu_per_quote([single], market, options.seconds)
            rows["single"].append(cost)
        with cluster(cores, market, 2) as (nodes, bus):
            costs = cpu_per_quote([*nodes, bus], market, options.seconds)
            for name, cost in zip(("fetching", "standing_by", "nats"), costs, strict=True):
                rows[name].append(cost)
    middle = {name: statistics.median(costs) for name, costs in rows.items()}
    rate = round(BUS_SYMBOLS / BUS_INTERVAL)
    print(
        f"bus          at {rate:,} quotes/s, us of CPU per quote: a single node "
        f"{middle['single']:.1f}; fetching {middle['fetching']:.1f}, standing by "
        f"{middle['standing_by']:.1f}, NATS {middle['nats']:.2f}"
    )
    return {"quotes_per_second": rate, **rows}


def cpu_per_quote(processes: Sequence[Process], market: Market, seconds: float) -> list[float]:
    """What each process used while the market moved, in microseconds per quote."""
    listed_symbols(processes[0], market.symbols)
    # A fetch every five seconds while nobody subscribes, and one in each interval while somebody
    # does.
    with subscribed(processes[0]):
        time.sleep(CALM_SECONDS)
        before, started_at = [process_cpu(p.pid) for p in processes], time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - started_at
        after = [process_cpu(p.pid) for p in processes]
    quotes = market.symbols / market.interval * passed
    return [1e6 * (end - begin) / quotes for begin, end in zip(before, after, strict=True)]


@contextmanager
def subscribed(server: Process) -> Iterator[None]:
    """One client that wants one symbol, in a process of its own."""
    script = (
        "import trio, sys\nfrom trio_websocket import open_websocket_url\n"
        "async def main():\n"
        " async with open_websocket_url(sys.argv[1]) as ws:\n"
        "  await ws.send_message(sys.argv[2])\n"
        "  while True: await ws.get_message()\n"
        "trio.run(main)"
    )
    names = listed_symbols_any(server)
    message = json.dumps({"action": "subscribe", "symbols": names[:1]})
    address = f"ws://127.0.0.1:{server.port}/ws"
    client = subprocess.Popen([sys.executable, "-c", script, address, message])
    try:
        yield
    finally:
        client.kill()
        client.wait()


def listed_symbols_any(server: Process) -> list[str]:
    """The symbols of a server, however many."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{server.port}/api/v1/symbols", timeout=5
    ) as answer:
        return [str(row["symbol"]) for row in json.load(answer)["symbols"]]


# How long a price takes to the other node.


def propagation(cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """When the same prices arrive at a client of the other node, after one of the fetching one."""
    market = Market(BUS_SYMBOLS, BUS_INTERVAL)
    with cluster(cores, market, 2, flush=0) as (nodes, _bus):
        listed_symbols(nodes[0], market.symbols)
        listed_symbols(nodes[1], market.symbols)
        arrivals = trio.run(partial(watch_both, nodes, 4 * options.seconds))
    here, there = arrivals
    later = sorted(1000 * (there[v] - here[v]) for v in here.keys() & there.keys())
    if not later:
        raise Failed("no price arrived at both")
    p50, p99 = statistics.median(later), later[int(0.99 * (len(later) - 1))]
    rate = round(BUS_SYMBOLS / BUS_INTERVAL)
    print(
        f"propagation  at {rate:,} quotes/s: a price is at the other node's client "
        f"{p50:.1f} ms later (p50), p99 {p99:.1f} ms, over {len(later)} fetches"
    )
    return {"quotes_per_second": rate, "p50_ms": p50, "p99_ms": p99, "fetches": len(later)}


async def watch_both(nodes: Sequence[Process], seconds: float) -> list[dict[str, float]]:
    """When each version of one symbol came, at a client of each node that wants all symbols."""
    arrivals: list[dict[str, float]] = [{} for _ in nodes]

    async def watch(server: Process, came: dict[str, float]) -> None:
        async with open_websocket_url(f"ws://127.0.0.1:{server.port}/ws") as socket:
            await socket.send_message(json.dumps({"action": "subscribe", "symbols": ["*"]}))
            while True:
                message = json.loads(await socket.get_message())
                at = time.monotonic()
                if message["type"] == "prices":
                    for update in message["prices"]:
                        if update["symbol"] == WATCHED:
                            came[str(update["version"])] = at

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for server, came in zip(nodes, arrivals, strict=True):
                nursery.start_soon(watch, server, came)
    return arrivals


# How long a takeover takes.


def takeover(cores: Cores, options: argparse.Namespace) -> dict[str, object]:
    """Kill the fetching one of three; how long until a client of another one sees a new price."""
    market = Market(20, TAKEOVER_INTERVAL)
    pauses = []
    for _ in range(options.kills):
        with cluster(cores, market, 3, may_end=True) as (nodes, _bus):
            listed_symbols(nodes[1], market.symbols)
            pauses.append(trio.run(pause_after_kill, nodes))
    pauses.sort()
    p50, worst = statistics.median(pauses), pauses[-1]
    print(
        f"takeover     of a killed node: another node's client waited {p50:.2f} s (p50), "
        f"{worst:.2f} s at most, in {len(pauses)} kills"
    )
    return {"pauses_seconds": pauses, "p50_seconds": p50, "most_seconds": worst}


async def pause_after_kill(nodes: Sequence[Process]) -> float:
    """From the kill of the first node until a client of the second has a price of a new epoch."""
    async with open_websocket_url(f"ws://127.0.0.1:{nodes[1].port}/ws") as socket:
        await socket.send_message(json.dumps({"action": "subscribe", "symbols": ["*"]}))
        epoch = await next_epoch(socket, above=0)
        await trio.sleep(1.0)
        os.kill(nodes[0].pid, 9)
        killed_at = time.monotonic()
        with trio.fail_after(TAKEOVER_SECONDS):
            await next_epoch(socket, above=epoch)
        return time.monotonic() - killed_at


async def next_epoch(socket: WebSocketConnection, *, above: int) -> int:
    """Wait for a price of a higher epoch."""
    while True:
        message = json.loads(await socket.get_message())
        for update in message.get("quotes", []) + message.get("prices", []):
            epoch = int(update["version"][0])
            if epoch > above:
                return epoch


def main() -> None:
    """Measure, print, and write bench/results/cluster.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--only", choices=sorted(PARTS), help="one of the parts")
    options = parser.parse_args()
    raise_limit_of_open_files()
    cores = Cores.choose()
    machine = describe_machine()
    print(machine.text, end="\n\n")
    chosen = [options.only] if options.only else list(PARTS)
    report = {name: PARTS[name](cores, options) for name in chosen}
    if options.only:
        part = {"machine": machine.fields, **report[options.only]}
        keep("cluster", {**kept("cluster"), f"{options.only}_alone": part})
    else:
        keep("cluster", {"machine": machine.fields, **report})


PARTS = {
    "capacity": capacity,
    "bus": bus_cost,
    "propagation": propagation,
    "takeover": takeover,
}


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"cluster: {error}")
