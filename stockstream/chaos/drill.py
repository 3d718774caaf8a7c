"""A drill: watching clients, faults one after another, and what they did to the clients."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from stockstream.chaos.catalogue import Scope, action_named
from stockstream.chaos.node import Refused, Unreachable
from stockstream.chaos.report import (
    VERDICTS,
    ClientsSeen,
    ExitCode,
    Report,
    Strike,
    Verdict,
    fresh_verdict,
    recoveries,
)
from stockstream.quotes import iso_utc
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from stockstream.chaos.catalogue import Value
    from stockstream.chaos.messages import Injection
    from stockstream.chaos.node import Node
    from stockstream.chaos.targets import Target
    from stockstream.chaos.watchers import Watcher, Watchers

STEADY_SECONDS = 15.0
WEB_RETURN_SECONDS = 10.0
POLL_SECONDS = 0.1
_OURS = {"would_escalate", "chaos_disabled", "no_chaos_role", "experiment_running", "guard"}


class Stopped(Exception):
    """The drill ends here, with this exit code."""

    def __init__(self, code: ExitCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def stopped_by(refused: Refused) -> Stopped:
    """What a node's refusal means for the command."""
    match refused.code:
        case "bad_parameters" | "no_such_target" | "bad_body":
            return Stopped(ExitCode.USAGE, refused.reason)
        case "generation_moved":
            return Stopped(ExitCode.NOT_INJECTED, refused.reason)
        case code if code in _OURS:
            return Stopped(ExitCode.REFUSED, refused.reason)
        case _:
            return Stopped(ExitCode.TOOL_ERROR, str(refused))


@dataclass
class Drill:
    """One run against one node. `say` tells people how it goes, on standard error."""

    node: Node
    watchers: Watchers
    title: str
    say: Callable[[str], None]
    seed: int | None = None
    experiment: str | None = None
    expect_recovery: float | None = None
    allow_escalation: bool = False
    strikes: list[Strike] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    web_hit: bool = False
    _began: float = field(default_factory=time.monotonic)
    _started: int = field(default_factory=now_ms)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    async def settle(self) -> None:
        """See that the watching clients are served before anything is done to the node.

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
        aside: trio.Nursery | None = None,
    ) -> None:
        """Do one thing, and wait until the clients have fresh prices again.

        That wait happens in the nursery `aside`, when there is one, so that the next thing can
        be done meanwhile.

        Raises:
            Refused, Unreachable: the node's answer.
        """
        began = trio.current_time()
        at = self.elapsed
        name = "" if target is None else target.path
        try:
            injection = await self.node.inject(
                action,
                name,
                parameters,
                experiment=self.experiment,
                expected_generation=None if target is None else target.generation,
                allow_escalation=self.allow_escalation,
                reason=self.title,
            )
        except Unreachable:
            if target is None or not target.blast_radius.disconnects:
                raise
            # What we hit took our own connection with it.
            self.web_hit = True
            self._add(await self._returned(action, target, at, began))
            return
        self.web_hit |= target is not None and target.blast_radius.disconnects
        # The answer came when the target was back. A price that came before the blow is not
        # fresh, however late we heard of it.
        struck = trio.current_time() - (injection.recovered_seconds or 0.0)
        if aside is None:
            await self._follow(injection, at, struck)
        else:
            aside.start_soon(self._follow, injection, at, struck)

    async def _follow(self, injection: Injection, at: float, struck: float) -> None:
        """See how long the clients had to wait."""
        fresh: list[float | None] = []
        judged = not action_named(injection.action).lasting and injection.target != paths.STUB
        if judged and self.watchers.all and injection.verified:
            fresh = await self.watchers.all_fresh_after(struck, self.fresh_seconds)
        came = [answer for answer in fresh if answer is not None]
        self._add(
            Strike(
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
            )
        )

    @property
    def fresh_seconds(self) -> float:
        """How soon after a fault fresh prices are expected."""
        return self.expect_recovery or self.watchers.fresh_seconds

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

    async def _returned(self, action: str, target: Target, at: float, began: float) -> Strike:
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
                        took, None, None, 0, "our own connection went with it",
                    )  # fmt: skip
                await trio.sleep(POLL_SECONDS)
        return Strike(
            at, action, target.path, False, target.generation, None,
            None, None, None, 0, f"it was not back within {WEB_RETURN_SECONDS:g} s",
        )  # fmt: skip

    def _add(self, strike: Strike) -> None:
        self.strikes.append(strike)
        self.say(_in_words(strike))

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
            verdicts.append(fresh_verdict(self.strikes, self.fresh_seconds))
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
        )


@asynccontextmanager
async def watched(drill: Drill) -> AsyncIterator[None]:
    """Keep the drill's clients connected for the time of a `with`."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drill.watchers.run, drill.node.websocket_url)
        yield
        nursery.cancel_scope.cancel()


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
    if strike.detail:
        parts.append(strike.detail)
    return "  ".join(parts)


def _gone_in_words(gone: Sequence[Watcher]) -> str:
    if not gone:
        return "all stayed"
    return f"{len(gone)} were disconnected; the first: {gone[0].disconnected}"
