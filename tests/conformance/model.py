"""A pure model of one static supervisor: no tasks, no clock but a number, written from R1 to R32.

It is driven by the same commands as a real one and predicts its children, their states and
generations, the order of every `init` and `terminate`, the time all of it takes, the restarts
in the window, and when the supervisor gives up.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

# Times are sums of binary fractions of very different size: exact as floats, and no two
# different sums meet, so that the order of events is never left to chance.
SHUTDOWN = 2 + 2**-6
BACKOFF = 1 + 2**-12
SLOW_START = 0.5 + 2**-18
PERIOD = 4.0

CLEAN = ("normal", "shutdown", "shutdown(term)")


@dataclass
class Child:
    id: str
    restart: str
    state: str = "stopped"
    dying_until: float | None = None
    """It runs its terminate now, of its own accord, and has ended by then."""


@dataclass
class Settings:
    strategy: str = "one_for_one"
    intensity: int = 1
    backoff: bool = False


@dataclass
class Model:
    """What a supervisor `s` is, and what has happened."""

    settings: Settings
    initial: list[tuple[str, str]]
    now: float = 0.0
    incarnation: int = 0
    children: dict[str, Child] = field(default_factory=dict)
    stamps: list[float] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)
    starts: dict[str, list[str]] = field(default_factory=dict)
    stops: dict[str, list[str]] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    _events: list[tuple[float, int, str, Child, str]] = field(default_factory=list)
    _retries: dict[str, int] = field(default_factory=dict)
    _order: count = field(default_factory=count)

    # Commands. Each answers what the caller of the real one gets: "ok" or the error's code.

    def begin(self) -> str:
        """The first start of the supervisor."""
        self._come_back()
        return "ok"

    def start_child(self, child_id: str, restart: str) -> str:
        known = self.children.get(child_id)
        if known is not None:
            return "already_started" if known.state == "running" else "already_present"
        child = self.children[child_id] = Child(child_id, restart)
        answer = "ok"
        if not self._start(child):
            self._forget(child)
            answer = "start_failed"
        self._catch_up()
        return answer

    def terminate_child(self, child_id: str) -> str:
        child = self.children.get(child_id)
        if child is None:
            return "not_found"
        self._stop(child)
        if child.restart == "temporary":
            self._forget(child)
        self._catch_up()
        return "ok"

    def restart_child(self, child_id: str) -> str:
        child = self.children.get(child_id)
        if child is None or child.state != "stopped":
            return "not_found" if child is None else child.state
        answer = "ok" if self._start(child) else "start_failed"
        self._catch_up()
        return answer

    def delete_child(self, child_id: str) -> str:
        child = self.children.get(child_id)
        if child is None or child.state != "stopped":
            return "not_found" if child is None else child.state
        self._forget(child)
        return "ok"

    def exit(self, child_id: str, reason: str) -> None:
        """A running child ends: "crash", "kill", or in order for a clean reason."""
        child = self.children[child_id]
        ended_at = self.now
        if reason != "kill":
            how = self._terminate(child_id)
            if how == "hang":
                ended_at += SHUTDOWN
            elif how == "raise" and reason in CLEAN:
                reason = "crash"
        child.dying_until = ended_at
        self._push(ended_at, "exit", child, reason)
        self._catch_up()
        while child.dying_until is not None and self._events:
            self._next()
        self._catch_up()

    def advance(self, seconds: float) -> None:
        target = self.now + seconds
        while self._events and self._events[0][0] <= target:
            self._next()
        self.now = max(self.now, target)
        self._catch_up()

    def shut_down(self) -> None:
        """The whole tree is stopped."""
        for child in reversed(list(self.children.values())):
            self._stop(child)

    @property
    def restarts_in_window(self) -> int:
        return sum(stamp >= self.now - PERIOD for stamp in self.stamps)

    # Events: retries and exits, in the order in which they reach the supervisor.

    def _push(self, due: float, kind: str, child: Child, reason: str = "") -> int:
        number = next(self._order)
        heapq.heappush(self._events, (due, number, kind, child, reason))
        return number

    def _catch_up(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            self._next()

    def _next(self) -> None:
        due, number, kind, child, reason = heapq.heappop(self._events)
        if self.children.get(child.id) is not child:
            return
        if kind == "retry":
            if self._retries.get(child.id) == number:
                self.now = max(self.now, due)
                # A failed attempt is charged when its retry's turn comes.
                if reason == "charged" or self._charge():
                    self._attempt(child)
                else:
                    self._give_up()
        elif child.dying_until == due:
            self.now = max(self.now, due)
            self._exited(child, reason)

    def _exited(self, child: Child, reason: str) -> None:
        child.dying_until, child.state = None, "stopped"
        if child.restart == "temporary":
            self._forget(child)
        elif child.restart == "permanent" or reason not in CLEAN:
            if not self._charge():
                self._give_up()
            elif self.settings.backoff:
                self._schedule(child, "charged")
            else:
                self._attempt(child)

    def _attempt(self, child: Child) -> None:
        failed = self._restart_group(child)
        if failed is not None:
            self._schedule(failed)

    def _restart_group(self, child: Child) -> Child | None:
        """The child whose start failed, or None."""
        ids = list(self.children)
        if self.settings.strategy == "one_for_one":
            ids = [child.id]
        elif self.settings.strategy == "rest_for_one":
            ids = ids[ids.index(child.id) :]
        group = [self.children[child_id] for child_id in ids]
        for other in reversed(group):
            if other is not child:
                self._stop(other)
                if other.restart == "temporary":
                    self._forget(other)
        child.state = "stopped"
        for member in group:
            if self.children.get(member.id) is member and not self._start(member):
                return member
        return None

    def _schedule(self, child: Child, how: str = "") -> None:
        child.state = "restarting"
        due = self.now + BACKOFF if self.settings.backoff else self.now
        self._retries[child.id] = self._push(due, "retry", child, how)

    def _charge(self) -> bool:
        self.stamps.append(self.now)
        return self.restarts_in_window <= self.settings.intensity

    def _give_up(self) -> None:
        self.shut_down()
        initial = {child_id for child_id, _ in self.initial}
        for child_id in self.children.keys() - initial:
            self.generations.pop(child_id, None)
        self._come_back()

    def _come_back(self) -> None:
        """Started by its parent, again and again until its children all start."""
        while True:
            self.incarnation += 1
            self.children, self.stamps, self._events, self._retries = {}, [], [], {}
            for child_id, restart in self.initial:
                child = self.children[child_id] = Child(child_id, restart)
                if not self._start(child):
                    del self.children[child_id]
                    self.shut_down()
                    break
            else:
                return

    # One child.

    def _start(self, child: Child) -> bool:
        self._retries.pop(child.id, None)
        self.generations[child.id] = self.generations.get(child.id, 0) + 1
        self.log.append(("init", child.id))
        script = self.starts.get(child.id, [])
        step = script.pop(0) if script else "well"
        if step == "fail":
            child.state = "stopped"
            return False
        if step == "slow":
            self.now += SLOW_START
        if step == "ignore":
            child.state = "stopped"
            if child.restart == "temporary":
                self._forget(child)
        else:
            child.state = "running"
        return True

    def _stop(self, child: Child) -> None:
        self._retries.pop(child.id, None)
        if child.dying_until is not None:
            self.now = max(self.now, child.dying_until)
        elif child.state == "running" and self._terminate(child.id) == "hang":
            self.now += SHUTDOWN
        child.dying_until, child.state = None, "stopped"

    def _terminate(self, child_id: str) -> str:
        self.log.append(("terminate", child_id))
        script = self.stops.get(child_id, [])
        return script.pop(0) if script else "well"

    def _forget(self, child: Child) -> None:
        if self.children.get(child.id) is child:
            del self.children[child.id]
        self._retries.pop(child.id, None)
        self.generations.pop(child.id, None)
