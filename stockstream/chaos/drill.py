"""A drill: watching clients, faults one after another, and their effects on the clients."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from stockstream.chaos.aftermath import footprint, healed, recorded
from stockstream.chaos.catalogue import Scope, action_named
from stockstream.chaos.effects import Bounds, Span, longest_gap, starved
from stockstream.chaos.node import Refused, Unreachable
from stockstream.chaos.quiet import note_quiet, watch_quiet
from stockstream.chaos.report import (
    VERDICTS,
    ClientsSeen,
    ExitCode,
    Report,
    Strike,
    Verdict,
    fresh_verdict,
    gap_verdict,
    recoveries,
)
from stockstream.quotes import iso_utc
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from stockstream.chaos.aftermath import Before
    from stockstream.chaos.catalogue import Value
    from stockstream.chaos.messages import Injection
    from stockstream.chaos.node import Node
    from stockstream.chaos.probes import AskNumber
    from stockstream.chaos.targets import Target
    from stockstream.chaos.watchers import Watcher, Watchers

STEADY_SECONDS = 15.0
LEASE_SECONDS = 60.0
"""Added to a drill's own time: for settling, for the last effects, for the recovery."""
LONGEST_LEASE = 86_400.0
WEB_RETURN_SECONDS = 10.0
POLL_SECONDS = 0.1
_OURS = {"would_escalate", "chaos_disabled", "no_chaos_role", "experiment_running", "guard"}


async def no_database(_sql: str, _seconds: float) -> float:
    """The database of a drill that has none."""
    raise Unreachable("no database is named where this runs")


class Stopped(Exception):
    """The drill ends here, with this exit code."""

    def __init__(self, code: ExitCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def stopped_by(refused: Refused) -> Stopped:
    """The exit code of the command for a node's refusal."""
    match refused.code:
        case "bad_parameters" | "bad_body" | "which_upstream":
            return Stopped(ExitCode.USAGE, refused.reason)
        case "generation_moved" | "no_such_target":
            return Stopped(ExitCode.NOT_INJECTED, refused.reason)
        case code if code in _OURS:
            return Stopped(ExitCode.REFUSED, refused.reason)
        case _:
            return Stopped(ExitCode.TOOL_ERROR, str(refused))


@dataclass
class Drill:
    """One run against one node. `say` tells people how it goes, on standard error.

    `aside` is where effects are watched while the next thing is done; `watched` opens it. Drills of
    several nodes run together are each other's `neighbours`: the clients of all see each fault, and
    what those here saw of a neighbour's is `felt`. `grace` is how many seconds longer than on one
    node fresh prices may take.
    """

    node: Node
    watchers: Watchers
    title: str
    say: Callable[[str], None]
    ask_number: AskNumber = no_database
    seed: int | None = None
    experiment: str | None = None
    expect_recovery: float | None = None
    allow_escalation: bool = False
    strikes: list[Strike] = field(default_factory=list)
    felt: list[Strike] = field(default_factory=list)
    neighbours: Sequence[Drill] = ()
    grace: float = 0.0
    skipped: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    web_hit: bool = False
    node_name: str = ""
    version: str = ""
    aside: trio.Nursery | None = None
    _following: int = 0
    _followed: trio.Event = field(default_factory=trio.Event)
    _began: float = field(default_factory=time.monotonic)
    _started: int = field(default_factory=now_ms)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    async def settle(self) -> None:
        """Check that the watching clients are served before the first fault.

        Raises:
            Stopped: they are not.
        """
        if self.watchers.all and not await self.watchers.steady(STEADY_SECONDS):
            raise Stopped(
                ExitCode.NO_STEADY_STATE,
                f"not every watching client had a price within {STEADY_SECONDS:g} s; "
                "nothing was injected",
            )

    async def strike(
        self,
        action: str,
        target: Target | None,
        parameters: Mapping[str, Value] | None = None,
        *,
        upstream: str = "",
        aside: bool = False,
    ) -> None:
        """Do one action to an actor, or to an upstream, and measure its effect on the clients.

        It waits for the effect here, or watches it `aside`, so that the next action can be done
        meanwhile. The effect of a lasting fault is always watched aside; `followed` waits for it.

        Raises:
            Refused, Unreachable: the node's answer.
        """
        began = trio.current_time()
        at = self.elapsed
        name = upstream if target is None else target.path
        values = action_named(action).read(parameters or {})
        try:
            injection = await self.node.inject(
                action,
                name,
                values,
                experiment=self.experiment,
                expected_generation=None if target is None else target.generation,
                allow_escalation=self.allow_escalation,
                reason=self.title,
            )
        except Unreachable:
            if target is None or not target.blast_radius.disconnects:
                raise
            # The target took our own connection with it.
            self.web_hit = True
            self._add(await self._returned(action, target, at, began, "connection"))
            return
        except Refused as refused:
            if refused.code != "no_controller" or target is None or target.path != paths.CHAOS:
                raise
            # The target is the controller, which would have answered us.
            self._add(await self._returned(action, target, at, began, "controller"))
            return
        self.web_hit |= target is not None and target.blast_radius.disconnects
        # The answer came when the target was back. A price from before the fault is not fresh,
        # even if the answer came late.
        struck = trio.current_time() - (injection.recovered_seconds or 0.0)
        seconds = float(values.get("seconds", 0.0)) if injection.until is not None else 0.0
        for neighbour in self.neighbours:
            neighbour.feel(injection, at, struck, seconds)
        if self.aside is not None and (aside or seconds):
            self._start_following(self.aside, injection, at, struck, seconds, self._add)
            if seconds and self.watchers.all:
                self.say(f"{at:7.2f} s  {f'{action} {name}'.strip()}: on for {seconds:g} s")
        else:
            self._add(await self._follow(injection, at, struck, seconds))

    def feel(self, injection: Injection, at: float, struck: float, seconds: float) -> None:
        """Watch what the clients of this node see of a fault that struck another one."""
        if self.aside is not None:
            add = self.felt.append
            self._start_following(self.aside, injection, at, struck, seconds, add)

    async def followed(self) -> None:
        """Wait until all faults are over, and their effects on the clients were measured."""
        while self._following:
            followed = self._followed
            await followed.wait()

    def _start_following(
        self,
        aside: trio.Nursery,
        injection: Injection,
        at: float,
        struck: float,
        seconds: float,
        add: Callable[[Strike], None],
    ) -> None:
        self._following += 1
        aside.start_soon(self._follow_aside, injection, at, struck, seconds, add)

    async def _follow_aside(
        self,
        injection: Injection,
        at: float,
        struck: float,
        seconds: float,
        add: Callable[[Strike], None],
    ) -> None:
        try:
            add(await self._follow(injection, at, struck, seconds))
        finally:
            self._following -= 1
            self._followed.set()
            self._followed = trio.Event()

    async def _follow(
        self, injection: Injection, at: float, struck: float, seconds: float
    ) -> Strike:
        """Measure how long the clients had to wait, and what they were told."""
        fresh: list[float | None] = []
        gap: float | None = None
        hungry = 0
        pauses = action_named(injection.action).scope in {Scope.UPSTREAM, Scope.BREAKER}
        pauses |= injection.target == paths.STUB
        if self.watchers.all and injection.verified:
            over = struck + seconds
            await trio.sleep_until(over)
            bounds = Bounds(self.watchers.interval, self.fresh_seconds)
            limit = bounds.fresh
            if pauses:
                # Prices go on with the breaker's next try, of which clients were told.
                probe_at = max(watcher.probe_at for watcher in self.watchers.all)
                limit = max(over, probe_at) - over + bounds.gap
            fresh = await self.watchers.all_fresh_after(over, limit)
            if None in fresh:
                await note_quiet(self.node, self.watchers)
                fresh = await self.watchers.all_fresh_after(over, limit)
            span = Span(struck, trio.current_time(), pauses)
            present = [w for w in self.watchers.present if w.disconnected is None]
            gap = max((longest_gap(watcher, span) for watcher in present), default=0.0)
            hungry = sum(starved(watcher, span, bounds) for watcher in present)
        came = [answer for answer in fresh if answer is not None]
        return Strike(
            at=at,
            action=injection.action,
            target=injection.target or injection.action,
            verified=injection.verified,
            generation_before=injection.generation_before,
            generation_after=injection.generation_after,
            recovered=injection.recovered_seconds,
            fresh_p50=sorted(came)[len(came) // 2] if came else None,
            fresh_max=max(came, default=None),
            late=0 if self.web_hit else len(fresh) - len(came),
            detail=injection.detail,
            longest_gap=gap,
            starved=0 if self.web_hit else hungry,
        )

    @property
    def fresh_seconds(self) -> float:
        """How soon after a fault fresh prices are expected."""
        return self.expect_recovery or self.watchers.fresh_seconds + self.grace

    async def client_fault(self, action: str, parameters: Mapping[str, Value]) -> None:
        """Have some of our own watching clients misbehave."""
        at = self.elapsed
        present = self.watchers.present
        share = max(1, round(len(present) * float(parameters["percent"]) / 100))
        chosen = present[:share]
        for watcher in chosen:
            if action == "client-vanish":
                await watcher.vanish()
            else:
                watcher.stop_reading()
        if action == "client-stop-reading":
            await trio.sleep(float(parameters["seconds"]))
            for watcher in chosen:
                watcher.read_on()
        detail = f"{len(chosen)} clients"
        self._add(Strike(at, action, "clients", True, None, None, None, None, None, 0, detail))

    async def _returned(
        self, action: str, target: Target, at: float, began: float, lost: str
    ) -> Strike:
        """Check that a target is back whose end was not reported; `lost` went with it."""
        with trio.move_on_after(WEB_RETURN_SECONDS):
            while True:
                try:
                    now = {other.path: other for other in await self.node.targets(0)}
                except Unreachable:
                    await trio.sleep(POLL_SECONDS)
                    continue
                back = now.get(target.path)
                if back is not None and back.generation > target.generation:
                    took = trio.current_time() - began
                    return Strike(
                        at, action, target.path, True, target.generation, back.generation,
                        took, None, None, 0, f"our own {lost} went with it",
                    )  # fmt: skip
                await trio.sleep(POLL_SECONDS)
        return Strike(
            at, action, target.path, False, target.generation, None,
            None, None, None, 0, f"it was not back within {WEB_RETURN_SECONDS:g} s",
        )  # fmt: skip

    def _add(self, strike: Strike) -> None:
        self.strikes.append(strike)
        self.say(_in_words(strike))

    async def look_back(self, before: Before) -> None:
        """Judge whether the node is whole, the traces of the drill, and the history meanwhile.

        Raises:
            Unreachable: the node does not answer.
        """
        self.verdicts.append(await healed(self.node, before))
        left = await footprint(self.node, before)
        if left is None:
            self.skipped.append("memory, files and tasks (C15): the node does not tell of them")
        else:
            self.verdicts.append(left)
        if before.no_history is not None:
            self.skipped.append(f"the history (C16): {before.no_history}")
            return
        seen = self.watchers.newest()
        if seen:
            self.verdicts.append(await recorded(self.node, before, seen))
        else:
            self.skipped.append("the history (C16): there was no watching client")

    def judge(self) -> list[Verdict]:
        """The invariants' verdicts over all that was seen."""
        verdicts = list(self.verdicts)
        if self.watchers.all:
            gone = [w for w in self.watchers.present if w.disconnected is not None]
            verdicts.append(
                Verdict(
                    "no client is disconnected (C12)",
                    not gone or self.web_hit,
                    "web itself was hit" if self.web_hit else _gone_in_words(gone),
                )
            )
            faults = list(self.watchers.faults())
            verdicts.append(
                Verdict(
                    "versions only rise (C13)",
                    not faults,
                    "; ".join(faults[:3]) or f"{sum(w.updates for w in self.watchers.all)} updates",
                )
            )
            seen = [*self.strikes, *self.felt]
            verdicts.append(fresh_verdict(seen, self.fresh_seconds))
            bounds = Bounds(self.watchers.interval, self.fresh_seconds)
            verdicts.append(gap_verdict(seen, bounds.gap))
        if self.expect_recovery is not None:
            slow = [
                strike
                for strike in self.strikes
                if strike.recovered is not None and strike.recovered > self.expect_recovery
            ]
            verdicts.append(
                Verdict(
                    f"recovery within {self.expect_recovery:g} s",
                    not slow,
                    f"{len(slow)} of {len(self.strikes)} took longer",
                )
            )
        return verdicts

    def report(self, stopped: Stopped | None = None) -> Report:
        """All of it, with the exit code that follows from it."""
        verdicts = self.judge()
        if stopped is not None:
            code = stopped.code
        elif not all(verdict.held for verdict in verdicts):
            code = ExitCode.DEVIATED
        elif any(not strike.verified for strike in self.strikes):
            code = ExitCode.NOT_INJECTED
        else:
            code = ExitCode.HELD
        watchers = self.watchers.all
        seen = ClientsSeen(
            len(watchers),
            sum(watcher.disconnected is not None for watcher in watchers),
            sum(watcher.updates for watcher in watchers),
            max((watcher.longest_gap for watcher in watchers), default=0.0),
        )
        return Report(
            title=self.title,
            exit_code=code,
            verdict=VERDICTS[code],
            started=iso_utc(self._started),
            seconds=round(self.elapsed, 3),
            seed=self.seed,
            experiment=self.experiment,
            strikes=sorted(self.strikes, key=lambda strike: strike.at),
            skipped=self.skipped,
            recovery=recoveries(self.strikes),
            clients=seen if watchers else None,
            verdicts=verdicts,
            error=None if stopped is None else stopped.reason,
            node=self.node_name,
            version=self.version,
        )


@asynccontextmanager
async def watched(drill: Drill) -> AsyncIterator[None]:
    """Keep the drill's clients connected for the time of a `with`, and see what is done to them.

    It is left when all effects were seen, or at once by an error.
    """
    async with trio.open_nursery() as nursery:
        drill.aside = nursery
        node = drill.node
        nursery.start_soon(drill.watchers.run, node.websocket_url, node.credentials)
        if drill.watchers.all:
            nursery.start_soon(watch_quiet, drill.node, drill.watchers)
        try:
            yield
            await drill.followed()
        finally:
            drill.aside = None
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def holding(drill: Drill, seconds: float) -> AsyncIterator[None]:
    """Reserve the node for the time of a `with`, which should take so many seconds.

    What is on at its end is rolled back.

    Raises:
        Stopped: somebody else has it.
    """
    try:
        lease = await drill.node.begin(drill.title, min(seconds + LEASE_SECONDS, LONGEST_LEASE))
    except Refused as refused:
        raise stopped_by(refused) from refused
    drill.experiment = lease.id
    try:
        yield
    finally:
        with trio.move_on_after(LEASE_SECONDS, shield=True):
            try:
                await drill.node.end(lease.id)
            except (Refused, Unreachable) as error:
                drill.say(f"the node is not given free ({error}); it is by itself")


def is_client_action(action: str) -> bool:
    """Whether the command does it itself, to its own clients."""
    return action_named(action).scope is Scope.CLIENT


def _in_words(strike: Strike) -> str:
    parts = [f"{strike.at:7.2f} s  {strike.action} {strike.target}"]
    if not strike.verified:
        parts.append("NOT INJECTED")
    if strike.recovered is not None:
        parts.append(f"back in {strike.recovered * 1000:.0f} ms as #{strike.generation_after}")
    if strike.fresh_max is not None:
        parts.append(f"fresh prices in {strike.fresh_max * 1000:.0f} ms")
    if strike.late:
        parts.append(f"{strike.late} CLIENTS LATE")
    if strike.starved:
        parts.append(f"{strike.starved} CLIENTS WAITED {strike.longest_gap:.1f} s")
    if strike.detail:
        parts.append(strike.detail)
    return "  ".join(parts)


def _gone_in_words(gone: Sequence[Watcher]) -> str:
    if not gone:
        return "all stayed"
    return f"{len(gone)} were disconnected; the first: {gone[0].disconnected}"
