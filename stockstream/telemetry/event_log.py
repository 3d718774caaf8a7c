"""The event log of the tree: a subscriber to its events that keeps the last of each kind.

A plain object that outlives every actor, the one that attaches it included. Everything is bounded.
A flood of one story (ordinary connects of clients, a thousand dropped casts) is counted, not kept,
so that it cannot push out the important entries.
"""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, TypeVar

import trio

from stockstream.messages import (
    CircuitMoved,
    ClockStepped,
    ClusterChanged,
    NoticeTold,
    OperatorAsked,
)
from stockstream.telemetry.entries import (
    CrashEntry,
    Entry,
    EntryKind,
    RestartEntry,
    TransitionEntry,
)
from stockstream.telemetry.stories import Stories, is_numbered
from stockstream.times import now_ms
from supervision import (
    AutoShutdownTriggered,
    CastDropped,
    CastToNobody,
    Crash,
    Decision,
    Event,
    Exited,
    FailedStart,
    IntensityExceeded,
    KeyFailed,
    Killed,
    RestartScheduled,
    ShutdownTimedOut,
    Started,
    StartIgnored,
    StillAlive,
    TaskFailed,
    TerminateFailed,
    UnhandledMessage,
    correlation_id,
    is_clean,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision import ExitReason, System

Numbered = TypeVar("Numbered", CrashEntry, RestartEntry, TransitionEntry)

KEPT_ENTRIES = 1_000
KEPT_CRASHES = 200
KEPT_TRANSITIONS = 200
KEPT_RESTARTS = 4_000
"""Of the last ten minutes; a drill of five kills a second makes 3,000 in that time."""
RESTART_SECONDS = 600.0
MOST_GONE = 1_000
"""Paths that ended and have not come back; beyond, the oldest is forgotten."""
LONGEST_TRACE = 8_000
LONGEST_REASON = 500


@dataclass(slots=True)
class _Gone:
    at: float
    reason: str


class EventLog:
    """Call it with events; read it at any time. Not for use from several threads."""

    def __init__(
        self,
        wall_clock_ms: Callable[[], int] = now_ms,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.run = wall_clock_ms()
        """Distinguishes this log from that of another process, which has other numbers."""
        self.last = 0
        """The number of the newest entry."""
        self._wall_clock_ms = wall_clock_ms
        self._monotonic = monotonic
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._crashes: deque[CrashEntry] = deque(maxlen=KEPT_CRASHES)
        self._restarts: deque[RestartEntry] = deque(maxlen=KEPT_RESTARTS)
        self._restarted: deque[float] = deque(maxlen=KEPT_RESTARTS)
        self._transitions: deque[TransitionEntry] = deque(maxlen=KEPT_TRANSITIONS)
        self._stories = Stories(monotonic)
        self._gone: OrderedDict[str, _Gone] = OrderedDict()
        self._system: System | None = None
        self._changed: trio.Event | None = None

    def attach(self, system: System) -> None:
        """Subscribe to the system's events, once however often this is called."""
        if self._system is not system:
            self._system = system
            system.subscribe(self)

    # Reading.

    def entries(self, since: int, limit: int = KEPT_ENTRIES) -> list[Entry]:
        """The oldest entries that are kept of those after number `since`, at most `limit`."""
        first = self.last - len(self._entries) + 1
        skip = max(0, since + 1 - first)
        return [self._entries[i] for i in range(skip, min(skip + limit, len(self._entries)))]

    def crashes(self, since: int = 0) -> list[CrashEntry]:
        """The last crashes, kills and failed starts after number `since`, oldest first."""
        return _after(self._crashes, since)

    def restarts(self, since: int = 0) -> list[RestartEntry]:
        """The restarts of the last ten minutes after number `since`, oldest first."""
        self._forget_old_restarts()
        return _after(self._restarts, since)

    def transitions(self, since: int = 0) -> list[TransitionEntry]:
        """The circuit breaker's last changes after number `since`, oldest first."""
        return _after(self._transitions, since)

    async def wait(self, since: int) -> None:
        """Wait until there is an entry after number `since`."""
        while self.last <= since:
            if self._changed is None:
                self._changed = trio.Event()
            await self._changed.wait()

    # Writing.

    def __call__(self, event: Event) -> None:
        """Take an event of the system."""
        match event:
            case Started(path, generation):
                self._started(path, generation)
            case Exited(path, generation, reason, decision):
                self._exited(path, generation, reason, decision)
            case FailedStart(path, generation, reason):
                self._failed(path, generation, reason)
            case CircuitMoved():
                self._moved(event)
            case _:
                self._told(event)

    def tell_the_rest(self) -> None:
        """Write a line for the counted events of stories that are over; to be called often."""
        for story in self._stories.calm():
            self._append(story.kind, story.place, detail="more like it", more=story.more)

    def _started(self, path: str, generation: int) -> None:
        gone = self._gone.pop(path, None)
        if generation == 1 and is_numbered(path):
            return
        down = None if gone is None else round((self._monotonic() - gone.at) * 1000, 3)
        if not self._may_write(EntryKind.STARTED, path):
            return
        number = self._append(EntryKind.STARTED, path, generation=generation, down_ms=down)
        if generation > 1:
            reason = None if gone is None else gone.reason
            now = self._wall_clock_ms()
            self._restarts.append(RestartEntry(number, now, path, generation, reason, down))
            self._restarted.append(self._monotonic())
            self._forget_old_restarts()

    def _exited(self, path: str, generation: int, reason: ExitReason, decision: Decision) -> None:
        asked_for = is_clean(reason) or decision is Decision.STOPPING
        if asked_for and is_numbered(path):
            return
        if decision is not Decision.FORGET:
            self._remember_gone(path, str(reason))
        if not self._may_write(EntryKind.EXITED, path):
            return
        text = _shortened(str(reason))
        number = self._append(
            EntryKind.EXITED, path, generation=generation, reason=text, decision=decision.value
        )
        stopped = decision is Decision.STOPPING and isinstance(reason, Killed)
        if not is_clean(reason) and not stopped:
            self._crashed(number, path, generation, reason, decision.value)

    def _failed(self, path: str, generation: int, reason: ExitReason) -> None:
        self._remember_gone(path, str(reason))
        if not self._may_write(EntryKind.START_FAILED, path):
            return
        number = self._append(
            EntryKind.START_FAILED, path, generation=generation, reason=_shortened(str(reason))
        )
        self._crashed(number, path, generation, reason, "start failed")

    def _crashed(
        self, number: int, path: str, generation: int, reason: ExitReason, decision: str
    ) -> None:
        # As text: an exception kept for an hour would keep the dead actor's frames with it.
        trace = None
        if isinstance(reason, Crash):
            trace = "".join(traceback.format_exception(reason.error))[-LONGEST_TRACE:]
        self._crashes.append(
            CrashEntry(
                number,
                self._wall_clock_ms(),
                path,
                generation,
                _shortened(str(reason)),
                decision,
                trace,
                _correlation(),
            )
        )

    def _moved(self, event: CircuitMoved) -> None:
        number = self._append(
            EntryKind.CIRCUIT,
            event.path,
            reason=event.reason,
            detail=f"{event.left.value} to {event.entered.value}",
        )
        self._transitions.append(
            TransitionEntry(
                number,
                self._wall_clock_ms(),
                event.path,
                event.left.value,
                event.entered.value,
                event.reason,
                event.forced,
            )
        )

    def _told(self, event: Event) -> None:
        kind, reason, detail = _words(event)
        if kind is not None and self._may_write(kind, event.path):
            self._append(kind, event.path, reason=reason, detail=detail)

    def _may_write(self, kind: EntryKind, path: str) -> bool:
        # A restart budget limits these lines, so each of them is kept.
        return (kind in _ALWAYS and not is_numbered(path)) or self._stories.admit(kind, path)

    def _append(
        self,
        kind: EntryKind,
        path: str,
        *,
        generation: int | None = None,
        reason: str | None = None,
        decision: str | None = None,
        down_ms: float | None = None,
        detail: str | None = None,
        more: int = 0,
    ) -> int:
        self.last += 1
        at = self._wall_clock_ms()
        self._entries.append(
            Entry(
                self.last,
                at,
                kind,
                path,
                generation,
                reason,
                decision,
                down_ms,
                detail,
                more,
                None if more else _correlation(),
            )
        )
        if self._changed is not None:
            self._changed.set()
            self._changed = None
        return self.last

    def _remember_gone(self, path: str, reason: str) -> None:
        # The first end counts: a start that fails in between does not make the wait shorter.
        if path not in self._gone:
            self._gone[path] = _Gone(self._monotonic(), _shortened(reason))
            if len(self._gone) > MOST_GONE:
                self._gone.popitem(last=False)

    def _forget_old_restarts(self) -> None:
        oldest = self._monotonic() - RESTART_SECONDS
        while self._restarted and self._restarted[0] < oldest:
            self._restarted.popleft()
            self._restarts.popleft()


def _correlation() -> str | None:
    """Of what an event came of: it is told where that is done, or by a message that came of it."""
    current = correlation_id.get()  # traced, it is of a class that says more
    return None if current is None else str(current)


_ALWAYS = frozenset({EntryKind.STARTED, EntryKind.EXITED, EntryKind.START_FAILED})


def _words(event: Event) -> tuple[EntryKind | None, str | None, str | None]:
    """Kind, reason and detail of an event that is a line and nothing else."""
    match event:
        case StartIgnored():
            return EntryKind.START_IGNORED, None, None
        case RestartScheduled(_, attempt, delay):
            return EntryKind.RESTART_SCHEDULED, None, f"attempt {attempt} in {delay:.3g} s"
        case IntensityExceeded(_, child, reason, intensity, period):
            why = f"{child}: more than {intensity} restarts in {period:g} s"
            return EntryKind.GAVE_UP, _shortened(str(reason)), why
        case AutoShutdownTriggered(_, child):
            return EntryKind.STOPPED_BY_CHILD, None, f"its significant child {child} ended"
        case ShutdownTimedOut(_, seconds):
            return EntryKind.STOP_TIMED_OUT, None, f"not within {seconds:g} s: cancelled"
        case StillAlive(_, seconds, stack):
            detail = f"cancelled {seconds:.0f} s ago, stands at\n{stack[-LONGEST_TRACE:]}"
            return EntryKind.STILL_RUNNING, None, detail
        case TerminateFailed(_, reason, error):
            what = "took too long" if error is None else f"raised {error!r}"
            return EntryKind.TERMINATE_FAILED, _shortened(str(reason)), _shortened(what)
        case TaskFailed(_, reason, failure):
            what = f"a task of it raised while it ended: {failure}"
            return EntryKind.TERMINATE_FAILED, _shortened(str(reason)), _shortened(what)
        case UnhandledMessage(_, kind):
            return EntryKind.UNHANDLED, None, f"no handler for {kind.__qualname__}"
        case CastDropped(_, kind, dropped):
            return EntryKind.DROPPED, None, f"{kind.__qualname__}, {dropped} so far"
        case CastToNobody(_, kind):
            return EntryKind.TO_NOBODY, None, kind.__qualname__
        case KeyFailed(_, kind, error):
            return EntryKind.KEY_FAILED, None, _shortened(f"{kind.__qualname__}: {error!r}")
        case ClockStepped(_, whose, seconds):
            way = "back" if seconds < 0 else "forward"
            return EntryKind.CLOCK, None, f"the {whose}'s clock was set {way} by {abs(seconds):g} s"
        case ClusterChanged(_, text):
            return EntryKind.CLUSTER, None, _shortened(text)
        case OperatorAsked(_, what, who):
            return EntryKind.OPERATOR, None, _shortened(f"{what}, by {who}")
        case NoticeTold(_, _, text, times, bad):
            more = f" ({times} times)" if times > 1 else ""
            return EntryKind.NOTICE, "bad" if bad else "well", _shortened(text) + more
        case _:
            return None, None, None


def _after(kept: deque[Numbered], since: int) -> list[Numbered]:
    found = list(takewhile(lambda entry: entry.number > since, reversed(kept)))
    found.reverse()
    return found


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
