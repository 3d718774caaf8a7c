"""Finds what is worth a notice: in the runtime's events, and in the tables.

No I/O. It remembers what it has said, and outlives the actor that looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.messages import CircuitMoved
from stockstream.notices.notice import NoticeKind, Said
from stockstream.shards import upstream_of
from stockstream.statuses import CircuitState, FeedState
from stockstream.upstreams import current_state
from supervision import IntensityExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.statuses import FeedStatus
    from stockstream.tables import Tables
    from supervision import Event

STALE_SECONDS = 10.0
"""A feed that is stale for less wakes nobody: an actor was killed, or a fetch failed."""
HISTORY = "history"


def said_by(event: Event) -> Said | None:
    """What an event of the runtime is worth; None for most."""
    match event:
        case CircuitMoved(path, left, entered, reason, forced) if left is not entered:
            upstream = path.split("/")[-2]
            state = entered.value.replace("_", " ")
            how = ", set by hand" if forced else ""
            return Said(
                NoticeKind.CIRCUIT,
                upstream,
                entered.value,
                f"the circuit breaker of {upstream} is {state}{how}: {reason}",
                entered is not CircuitState.CLOSED,
            )
        case IntensityExceeded(path, child, _, intensity, period):
            # Not the reason: it may hold what nobody should send about. The log has it.
            return Said(
                NoticeKind.SUPERVISOR,
                path,
                "gave_up",
                f"the supervisor {path} gave up: {child} ended once more, after over {intensity} "
                f"restarts in {period:g} s",
            )
        case _:
            return None


@dataclass(slots=True)
class _Stale:
    """A feed that is not live, `since` then; it was `told` of."""

    since: float
    told: bool = False


class Watch:
    """See the module."""

    def __init__(self) -> None:
        self._stale: dict[str, _Stale] = {}
        self._lost = (0, 0)

    def look(self, tables: Tables, now: float) -> Iterator[Said]:
        """What is worth a notice since the last look; inside a trio run only."""
        for name, row in sorted(tables.feeds.rows.items()):
            if "@" not in name:  # what another node says of its feed
                yield from self._feed(name, row, tables, now)
        yield from self._ticks(tables)

    def _feed(self, name: str, row: FeedStatus, tables: Tables, now: float) -> Iterator[Said]:
        if not _answers_for(name, tables):
            stale = self._stale.pop(name, None)
            if stale is not None and stale.told:
                text = f"another node fetches the prices of {name} now"
                yield Said(NoticeKind.FEED, name, "elsewhere", text, bad=False)
            return
        if current_state(row) is FeedState.LIVE:
            stale = self._stale.pop(name, None)
            if stale is not None and stale.told:
                text = f"the prices of {name} are fresh again"
                yield Said(NoticeKind.FEED, name, "live", text, bad=False)
            return
        stale = self._stale.setdefault(name, _Stale(now))
        if not stale.told and now - stale.since >= STALE_SECONDS:
            stale.told = True
            why = row.reason or "nothing comes"
            yield Said(NoticeKind.FEED, name, "stale", f"the prices of {name} are stale: {why}")

    def _ticks(self, tables: Tables) -> Iterator[Said]:
        recorder = tables.recorder.value
        if recorder is None:
            return
        before, self._lost = self._lost, (recorder.lost + recorder.dropped, recorder.unread_batches)
        ticks, batches = (new - old for new, old in zip(self._lost, before, strict=True))
        if ticks > 0 or batches > 0:
            unread = f" and {batches} batches that could not be read" if batches > 0 else ""
            text = f"{ticks} ticks{unread} were lost for the history, {self._lost[0]} ticks in all"
            yield Said(NoticeKind.TICKS, HISTORY, "lost", text)


def _answers_for(upstream: str, tables: Tables) -> bool:
    """Whether this node is the one to tell of it: that fetches it, or any that is alone."""
    holding = tables.holding.value
    if holding is None or holding.alone:
        return True
    return any(upstream_of(shard) == upstream for shard in holding.epochs)
