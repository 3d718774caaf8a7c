"""What may go wrong with a cluster, drawn from a seed, on any node, and put right again."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import trio

from tests.support.server import TOKEN

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.support.cluster_check.postgres import Postgres
    from tests.support.nodes import Node, Nodes

KILLED_AT_ONCE = 5
AFTER_SECONDS = 5.0
"""What a fault did may be seen so long after it was put right."""


@dataclass
class Spell:
    """A fault: whether prices may be lost by it, on which node, from when until when."""

    what: str
    where: str
    begin: float
    end: float = float("inf")
    loses: bool = False


@dataclass
class Faults:
    """Injects faults, one after another, each for `longest` seconds at most.

    Prices may be lost by SIGKILL of a node, with what it had not written yet, and where a node is
    alone: what others than the recording node fetch then is not kept (N8).
    """

    nodes: Nodes
    postgres: Postgres
    rng: random.Random
    longest: float
    spells: list[Spell] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def _kinds(self) -> dict[str, tuple[Callable[[Spell, float], Awaitable[None]], int]]:
        return {
            "kill": (self._kill, 3),
            "freeze": (self._freeze, 2),
            "cut": (self._cut, 3),
            "nats_kill": (self._kill_nats, 2),
            "nats_freeze": (self._freeze_nats, 1),
            "database": (self._stop_database, 1),
            "actors": (self._kill_actors, 6),
        }

    async def run(self, number: int | None = None) -> None:
        """Inject so many, or until cancelled; all is right again afterwards."""
        kinds = self._kinds
        weights = [weight for _, weight in kinds.values()]
        while number is None or len(self.spells) < number:
            (what,) = self.rng.choices(list(kinds), weights)
            self.counts[what] += 1
            seconds = self.rng.uniform(0.2, self.longest)
            spell = Spell(what, "", trio.current_time(), loses=what not in ("database", "actors"))
            self.spells.append(spell)
            with trio.CancelScope(shield=True):
                await kinds[what][0](spell, seconds)
            spell.end = trio.current_time()
            await trio.sleep(self.rng.uniform(0, self.longest))

    def may_lose(self, at: float) -> bool:
        """Whether a price that came then may be missing from the history."""
        return any(
            spell.loses and spell.begin - AFTER_SECONDS < at < spell.end + AFTER_SECONDS
            for spell in self.spells
        )

    def at(self, begin: float, end: float) -> str:
        """What was wrong between two moments."""
        found = [
            f"{spell.what} {spell.where} {spell.begin - begin:+.1f} to {spell.end - begin:+.1f} s"
            for spell in self.spells
            if spell.begin < end and spell.end + AFTER_SECONDS > begin
        ]
        return "; ".join(found) or "nothing"

    def _some_node(self, spell: Spell) -> Node:
        node = self.rng.choice(list(self.nodes))
        spell.where = f"{node.name}{' (fetches)' if node.is_running and node.holds else ''}"
        return node

    async def _kill(self, spell: Spell, seconds: float) -> None:
        node = self._some_node(spell)
        await trio.to_thread.run_sync(node.stop, signal.SIGKILL)
        await trio.sleep(seconds)
        await trio.to_thread.run_sync(node.start)

    async def _freeze(self, spell: Spell, seconds: float) -> None:
        with self._some_node(spell).held():
            await trio.sleep(seconds)

    async def _cut(self, spell: Spell, seconds: float) -> None:
        wire = self._some_node(spell).wire
        wire.cut()
        await trio.sleep(seconds)
        wire.mend()

    async def _kill_nats(self, _spell: Spell, seconds: float) -> None:
        await trio.to_thread.run_sync(self.nodes.nats.stop, signal.SIGKILL)
        await trio.sleep(seconds)
        await trio.to_thread.run_sync(self.nodes.nats.start)

    async def _freeze_nats(self, _spell: Spell, seconds: float) -> None:
        with self.nodes.nats.held():
            await trio.sleep(seconds)

    async def _stop_database(self, _spell: Spell, seconds: float) -> None:
        await trio.to_thread.run_sync(self.postgres.stop)
        await trio.sleep(seconds)
        await trio.to_thread.run_sync(self.postgres.start)

    async def _kill_actors(self, spell: Spell, seconds: float) -> None:
        """Any, on any node, where its supervisor can bear it."""
        node = self._some_node(spell)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=node.url, headers=headers, timeout=30) as http:
            for _ in range(KILLED_AT_ONCE):
                try:
                    victim = await self._kill_one(http)
                except httpx.TransportError:
                    victim = "the web server"  # with which the answer went
                self.counts[f"killed {victim}"] += 1
                spell.where += f" {victim}"
                await trio.sleep(seconds / KILLED_AT_ONCE)

    async def _kill_one(self, http: httpx.AsyncClient) -> str:
        answer = await http.get("/admin/api/chaos/targets?most=3")
        fair = [
            target["path"]
            for target in answer.json()["targets"]
            if target["kind"] == "worker"
            and target["path"] != "chaos"
            and (target["budget_left"] is None or target["budget_left"] > 1)
        ]
        victim: str = self.rng.choice(sorted(fair))
        body = {"action": "kill", "target": victim, "parameters": {}}
        done = await http.post("/admin/api/chaos/inject", json=body)
        # What is gone meanwhile, as a session may be, cannot be killed.
        return victim if done.is_success else "nobody"
