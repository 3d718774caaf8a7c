"""A drill of whole nodes: strikes processes of this machine, and judges all nodes together.

A node cannot be asked to kill itself, nor to stop NATS, so this process does it: to those that the
parent of the nodes has told of (`nodes/parent_file.py`). It reserves each node before, as any drill
does.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import trio

from stockstream.chaos.drill import LONGEST_LEASE, Stopped, stopped_by
from stockstream.chaos.node import Node, Refused, Unreachable
from stockstream.chaos.report import VERDICTS, ClientsSeen, ExitCode, Report, Strike, Verdict
from stockstream.cli.chaos.agreeing import disagreement
from stockstream.cli.chaos.moving import Seen, move_between
from stockstream.cli.chaos.output import say
from stockstream.cli.chaos.session import parent_here
from stockstream.quotes import iso_utc
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stockstream.nodes.parent_file import Parent

Fault = Literal["node-kill", "node-freeze", "bus-cut"]

PAUSE_SECONDS = {"node-kill": 3.0, "node-freeze": 5.0, "bus-cut": 6.0}
"""How long a client may be without prices beyond the interval of the fetches. A node that is gone
is missed after 1.4 s, one that is frozen after 3.5 s, NATS that is frozen after 4.5 s; then
somebody has to fetch, and its clients have to move."""
STEADY_SECONDS = 20.0
HEAL_SECONDS = 30.0
"""A node that was killed has to start again."""
LOOK_SECONDS = 0.2
LEASE_SECONDS = 60.0


class NodeDrill:
    """One run of the command."""

    def __init__(
        self,
        parent: Parent,
        urls: Sequence[str],
        fault: Fault,
        seconds: float,
        seed: int,
        clients: int,
    ) -> None:
        known = {node.url: node for node in parent.nodes}
        strangers = [url for url in urls if url.rstrip("/") not in known]
        if strangers:
            raise Stopped(
                ExitCode.USAGE,
                f"{strangers[0]} is no node of this machine; `stockstream cluster status` shows "
                f"their addresses: {', '.join(known)}",
            )
        self._parent = parent
        self._names = {url: known[url].name for url in dict.fromkeys(u.rstrip("/") for u in urls)}
        self._names = self._names or {url: node.name for url, node in known.items()}
        self._fault = fault
        self._seconds = seconds
        self._seed = seed
        self._rng = random.Random(seed)
        self.clients = [Seen((), everything=True) for _ in range(clients)]
        self._admin: dict[str, Node] = {}
        self._strikes: list[Strike] = []
        self._healed = True
        self._started, self._began = now_ms(), 0.0
        self._version = ""

    async def run(self, token: str, chaos_token: str | None, count: int, apart: float) -> None:
        """Do it all.

        Raises:
            Stopped, Refused, Unreachable: it cannot be done, or could not be to its end.
        """
        self._began = trio.current_time()
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            for url in self._names:
                node = Node(url, token, chaos_token)
                self._admin[url] = await stack.enter_async_context(node)
                self._version = (await self._admin[url].status()).version
            async with self._reserved(count * (self._seconds + apart + HEAL_SECONDS)):
                for number, seen in enumerate(self.clients):
                    nursery.start_soon(move_between, seen, _turned(list(self._names), number))
                await self._settle()
                for number in range(count):
                    await trio.sleep(apart if number else 0)
                    await self._strike()
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _reserved(self, seconds: float) -> AsyncIterator[None]:
        """Reserve the nodes. One that is killed forgets it; its next life is nobody's."""
        title = f"{self._fault} on {len(self._names)} nodes"
        leases: list[tuple[Node, str]] = []
        try:
            for node in self._admin.values():
                lease = await node.begin(title, min(seconds + LEASE_SECONDS, LONGEST_LEASE))
                leases.append((node, lease.id))
            yield
        except Refused as refused:
            raise stopped_by(refused) from refused
        finally:
            with trio.move_on_after(LEASE_SECONDS, shield=True):
                for node, experiment in leases:
                    with suppress(Refused, Unreachable):
                        await node.end(experiment)

    async def _settle(self) -> None:
        if not await self._well_within(STEADY_SECONDS, self._began):
            raise Stopped(
                ExitCode.NO_STEADY_STATE,
                f"the nodes did not agree, or a client had no prices, within {STEADY_SECONDS:g} s; "
                "nothing was done",
            )

    async def _strike(self) -> None:
        url = self._rng.choice(list(self._names))
        name = "NATS" if self._fault == "bus-cut" else self._names[url]
        pid = _nats(self._parent) if self._fault == "bus-cut" else self._process(url)
        on_it = {id(seen) for seen in self.clients if seen.url.rstrip("/") == url}
        struck = trio.current_time()
        if self._fault == "node-kill":
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGSTOP)
            try:
                await trio.sleep(self._seconds)
            finally:
                os.kill(pid, signal.SIGCONT)
        over = trio.current_time()
        healed = await self._well_within(HEAL_SECONDS, over)
        ended = trio.current_time()
        waits = self._seconds if self._fault == "node-freeze" else 0.0
        bound = PAUSE_SECONDS[self._fault]
        gaps = [seen.longest_gap(struck, ended) for seen in self.clients]
        starved = sum(
            gap > bound + seen.interval + (waits if id(seen) in on_it else 0.0)
            for seen, gap in zip(self.clients, gaps, strict=True)
        )
        self.note(
            struck - self._began,
            name,
            healed=ended - over if healed else None,
            gaps=gaps,
            starved=starved,
        )

    def note(
        self, at: float, name: str, *, healed: float | None, gaps: Sequence[float], starved: int
    ) -> None:
        """Keep what became of a strike, by the pauses of the clients; `starved` had too long ones.

        It was healed after so many seconds, or not.
        """
        longest = max(gaps, default=None)
        self._healed &= healed is not None
        after = "NOT HEALED" if healed is None else f"healed after {healed:.1f} s"
        strike = Strike(
            at=round(at, 3),
            action=self._fault,
            target=name,
            verified=True,
            generation_before=None,
            generation_after=None,
            recovered=None if healed is None else round(healed, 3),
            fresh_p50=None,
            fresh_max=None,
            late=0,
            detail=after,
            longest_gap=longest,
            starved=starved,
        )
        self._strikes.append(strike)
        waited = "" if longest is None else f", longest pause {longest:.1f} s"
        say(f"{at:7.2f} s  {self._fault} {name}: {after}{waited}")

    def _process(self, url: str) -> int:
        """The process that a node is now."""
        now = parent_here().nodes
        pid = next((node.pid for node in now if node.url == url), None)
        if pid is None:
            raise Stopped(ExitCode.NOT_INJECTED, f"{self._names[url]} does not run now")
        return pid

    async def _well_within(self, seconds: float, since: float) -> bool:
        """Whether the nodes agree, and each client has had prices since, in time."""
        with trio.move_on_after(seconds):
            while True:
                fresh = all(seen.is_open and seen.latest > since for seen in self.clients)
                nodes, members = self._admin.values(), len(self._parent.nodes)
                if fresh and await disagreement(nodes, members) is None:
                    return True
                await trio.sleep(LOOK_SECONDS)
        return False

    def report(self, stopped: Stopped | None) -> Report:
        """All of it, with the exit code that follows from it."""
        faults = [fault for seen in self.clients for fault in seen.faults]
        updates = sum(seen.prices for seen in self.clients)
        starved = sum(strike.starved for strike in self._strikes)
        longest = max((strike.longest_gap or 0.0 for strike in self._strikes), default=0.0)
        verdicts = []
        if self._strikes:
            verdicts.append(
                Verdict(
                    "each shard is fetched by one node, as all say",
                    self._healed,
                    f"again within {max(s.recovered or HEAL_SECONDS for s in self._strikes):.1f} s",
                )
            )
        if self._strikes and self.clients:
            told = "; ".join(faults[:3]) or f"{updates} updates"
            verdicts += [
                Verdict("versions only rise, over all nodes (C13)", not faults, told),
                Verdict(
                    f"no client waits {PAUSE_SECONDS[self._fault]:g} s longer than for a fetch",
                    not starved,
                    f"the longest pause was {longest:.1f} s",
                ),
            ]
        if stopped is not None:
            code = stopped.code
        else:
            held = all(verdict.held for verdict in verdicts)
            code = ExitCode.HELD if held else ExitCode.DEVIATED
        gone = sum(not seen.is_open for seen in self.clients)
        return Report(
            title=f"{self._fault} on {len(self._names)} nodes",
            exit_code=code,
            verdict=VERDICTS[code],
            started=iso_utc(self._started),
            seconds=round(trio.current_time() - self._began, 3),
            seed=self._seed,
            experiment=None,
            strikes=self._strikes,
            skipped=[],
            recovery={},
            clients=ClientsSeen(len(self.clients), gone, updates, longest),
            verdicts=verdicts,
            error=None if stopped is None else stopped.reason,
            node=", ".join(self._names.values()),
            version=self._version,
        )


def _turned(urls: list[str], number: int) -> list[str]:
    first = number % len(urls)
    return urls[first:] + urls[:first]


def _nats(parent: Parent) -> int:
    """The NATS server that the parent runs.

    Raises:
        Stopped: it runs none.
    """
    for task in Path(f"/proc/{parent.pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if command[0].endswith(b"/nats-server"):
                return child
    raise Stopped(
        ExitCode.NOT_INJECTED,
        "these nodes use the NATS that CLUSTER_NATS_URL names: stop it where it runs",
    )
