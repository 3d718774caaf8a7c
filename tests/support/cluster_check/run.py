"""A real cluster with clients on each node, faults for a while, and then the checks in the calm."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import trio

from tests.support.cluster_check import checks
from tests.support.cluster_check.faults import Faults, Spell
from tests.support.cluster_check.postgres import Postgres
from tests.support.cluster_check.witness import Book, Witness
from tests.support.nodes import running_nodes, until
from tests.support.server import ROOT, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.nodes import Nodes

NODES = 3
INTERVAL = 1.0
SAMPLED = 50
"""Symbols whose prices are compared between clients, and with the history."""
SYMBOLS_OF_A_CLIENT = 20
EVERYTHING_EACH = 30
"""One client of so many wants all symbols."""
CALM_SECONDS = 60.0
FIRST_SECONDS = 60.0
SETTINGS = {
    "CHAOS_ENABLED": "true",
    "FETCH_INTERVAL": str(INTERVAL),
    "MAX_CONNECTIONS_PER_ADDRESS": "2000",
}
WRITTEN_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 0.05
VERDICTS = ("held", "BROKEN", "deviated")
"""What lines of the monkey begin with that tell what became of it."""


@dataclass(frozen=True)
class Plan:
    """How much of what. Faults come for so many `seconds`, or are so many by `faults`. With a rate
    of a `monkey`, such as "1/s", they are what `stockstream chaos monkey` does, for `seconds`.
    """

    clients: int
    symbols: int
    seed: int
    longest: float
    seconds: float = 0.0
    faults: int | None = None
    monkey: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What was measured, and what did not hold."""

    figures: dict[str, Any]
    violations: list[str]


def check(plan: Plan, folder: Path) -> Verdict:
    """Start everything below `folder`, and end it."""
    (folder / "stubs").mkdir()
    (folder / "stubs" / "prices.json").write_text(json.dumps(_stub(plan.symbols)))
    with Postgres(folder / "postgres") as postgres:
        settings = SETTINGS | {"DATABASE_URL": postgres.url}
        stub = ["--expectations", str(folder / "stubs")]
        with running_nodes(folder, NODES, settings, stub) as nodes:
            return trio.run(_watch, plan, nodes, postgres)


async def _watch(plan: Plan, nodes: Nodes, postgres: Postgres) -> Verdict:
    rng = random.Random(plan.seed)
    names = [f"S{number:04}" for number in range(plan.symbols)]
    book = Book(frozenset(rng.sample(names, min(SAMPLED, plan.symbols))))
    urls = [node.websocket_url for node in nodes]
    witnesses = []
    for number in range(plan.clients):
        home = number % NODES
        some = rng.sample(names, min(SYMBOLS_OF_A_CLIENT, plan.symbols))
        symbols = ["*"] if number % EVERYTHING_EACH < NODES else some
        where = urls[home:] + urls[:home]
        witnesses.append(Witness(f"client {number}", where, symbols, book))
    faults = Faults(nodes, postgres, random.Random(plan.seed), plan.longest)
    await until(lambda: nodes.are_one, FIRST_SECONDS)
    async with trio.open_nursery() as nursery:
        for witness in witnesses:
            nursery.start_soon(witness.run)
        await until(lambda: all(witness.seen for witness in witnesses), FIRST_SECONDS)
        for witness in witnesses:
            witness.pauses.clear()
        begin = trio.current_time()
        violations = []
        if plan.monkey is None:
            with trio.move_on_after(plan.seconds or float("inf")):
                await faults.run(plan.faults)
        else:
            started_at = time.time() - trio.current_time()
            violations += await _run_monkey(plan, plan.monkey, nodes)
            faults.spells += _alone(nodes, started_at)
        end = trio.current_time()
        violations += await _in_the_calm(plan, nodes, postgres, book, faults)
        violations += await _silent(witnesses)
        nursery.cancel_scope.cancel()
    violations += [one for witness in witnesses for one in witness.violations] + book.violations
    return Verdict(_figures(plan, witnesses, book, faults, begin, end), violations)


async def _run_monkey(plan: Plan, rate: str, nodes: Nodes) -> list[str]:
    """Have the product's own monkey kill actors of all nodes; what it says did not hold."""
    command = [sys.executable, "-m", "stockstream", "chaos", "monkey", "--token", TOKEN]
    command += ["--for", f"{plan.seconds:g}s", "--rate", rate, "--seed", f"{plan.seed}"]
    for node in nodes:
        command += ["--url", node.url]
    done = await trio.run_process(
        command, cwd=ROOT, capture_stdout=True, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode().splitlines()
    print("\n".join(line for line in said if line.startswith(VERDICTS)), file=sys.stderr)
    if done.returncode == 0:
        return []
    broken = [line for line in said if line.startswith("BROKEN")]
    return [f"the monkey: {line}" for line in broken or said[-1:]]


def _alone(nodes: Nodes, started_at: float) -> list[Spell]:
    """When a node said that it was alone: what it fetches then is shown, and not kept (N8). On a
    machine that has no time for it, it need not have been cut off. `started_at` is when trio's
    clock stood at 0.
    """
    spells = []
    for node in nodes:
        begin = None
        for line in node.logged("the state in the cluster changed"):
            at = datetime.fromisoformat(line["timestamp"]).timestamp() - started_at
            if line["state"] == "alone":
                begin = at if begin is None else begin
            elif begin is not None:
                spells.append(Spell("alone", node.name, begin, at, loses=True))
                begin = None
        if begin is not None:
            spells.append(Spell("alone", node.name, begin, loses=True))
    return spells


async def _in_the_calm(
    plan: Plan, nodes: Nodes, postgres: Postgres, book: Book, faults: Faults
) -> list[str]:
    try:
        await until(lambda: nodes.are_one, CALM_SECONDS)
    except AssertionError:
        states = [(node.name, node.state, node.members, node.holds) for node in nodes]
        return [f"they are not one cluster: {states}"]
    return [
        *await checks.one_fetches(nodes, INTERVAL),
        *await checks.tables_are_equal(nodes),
        *await checks.presence_adds_up(nodes, plan.clients),
        *await checks.history_is_whole(postgres.url, book, faults),
    ]


async def _silent(witnesses: list[Witness]) -> list[str]:
    """Who has nothing new, although there is time to read it."""
    begin = trio.current_time()
    with trio.move_on_after(WRITTEN_PAUSE_SECONDS):
        while any(witness.last < begin for witness in witnesses):  # noqa: ASYNC110 - of many
            await trio.sleep(LOOK_SECONDS)
    return [
        f"{witness.name} has had nothing for {witness.since_last():.1f} s, and all is right: "
        f"{witness.standing}"
        for witness in witnesses
        if witness.last < begin
    ]


def _figures(
    plan: Plan, witnesses: list[Witness], book: Book, faults: Faults, begin: float, end: float
) -> dict[str, Any]:
    pauses = sorted((seconds, since) for witness in witnesses for since, seconds in witness.pauses)
    longest = sorted(max(s for _, s in witness.pauses) for witness in witnesses)
    return {
        "seed": plan.seed,
        "seconds": round(end - begin, 1),
        "clients": len(witnesses),
        "connections": sum(witness.connections for witness in witnesses),
        "frames": sum(witness.frames for witness in witnesses),
        "versions compared": len(book.prices),
        "faults": dict(sorted(faults.counts.items())),
        "times alone": sum(spell.what == "alone" for spell in faults.spells),
        "pause p50": _at(pauses, 0.5)[0],
        "pause p99": _at(pauses, 0.99)[0],
        "pause p99.9": _at(pauses, 0.999)[0],
        "longest pause of a client, p50": round(longest[len(longest) // 2], 2),
        "longest pause of a client, max": round(longest[-1], 2),
        "during the longest": faults.at(pauses[-1][1], pauses[-1][1] + pauses[-1][0]),
    }


def _at(pauses: list[tuple[float, float]], share: float) -> tuple[float, float]:
    seconds, since = pauses[min(len(pauses) - 1, int(len(pauses) * share))]
    return round(seconds, 2), since


def _stub(symbols: int) -> dict[str, Any]:
    """A stub that tells so many symbols, each at another price at each call."""
    stocks = [{"symbol": f"S{n:04}", "from": 10 + n, "to": 20 + n} for n in range(symbols)]
    body = (
        '[{{#arrayJoin \',\' parameters.stocks}}{"symbol":"{{this.symbol}}","price":'
        "{{numberFormat (randomDecimal lower=this.from upper=this.to) '0.00' 'en_US'}},"
        '"timestamp":"{{now}}"}{{/arrayJoin}}]'
    )
    return {
        "request": {"method": "GET", "urlPath": "/api/stock-prices"},
        "response": {
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            "transformers": ["response-template"],
            "transformerParameters": {"stocks": stocks},
            "body": body,
        },
    }
