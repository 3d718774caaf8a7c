"""How a feed stands: its rows in the tables, and what is logged of its troubles.

Used by the feed alone, at the path that may write its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stockstream.market.shown import shortened
from stockstream.market.troubles import Troubles
from stockstream.statuses import FeedFigures, FeedStatus, SeenTrouble
from stockstream.times import Moment
from stockstream.upstreams import LONGEST_REASON, state_of
from supervision import correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.market.parser import Rejects
    from stockstream.market.time_base import Poll
    from stockstream.tables import Tables

STEP_TOLD_SECONDS = 60.0
"""So long the feed's reason says that the upstream's clock was set."""

_log = structlog.stdlib.get_logger(__name__)


class Standing:
    """See the module. `changed` is called when the row is new; `address` is for the log alone.

    A provider that `lists` what there is does so at the begin of each life of its feed.
    """

    def __init__(
        self,
        upstream: str,
        address: str,
        tables: Tables,
        changed: Callable[[], None],
        *,
        lists: bool = True,
    ) -> None:
        self._lists = lists
        self._upstream = upstream
        self._tables = tables
        self._changed = changed
        self._log = _log.bind(upstream=upstream, address=address)
        self._troubles = Troubles()
        self._seen: dict[str, SeenTrouble] = {}
        self._stepped: tuple[Moment, str] | None = None

    # What went wrong

    def trouble(self, kind: str, detail: str, times: int = 1, said: str | None = None) -> None:
        """Count a trouble, and log it if it is a new one.

        `said` are the upstream's own words. They go into the log, and to operators: anybody may
        read the reason.
        """
        before, news = self._seen.get(kind), self._troubles.seen(kind, times)
        line = None if before is None else before.correlation
        if news:
            current = correlation_id.get()  # traced, it is of a class that says more
            line = None if current is None else str(current)
        self._seen[kind] = SeenTrouble(Moment.now(), detail, said, line)
        if news:
            theirs = {} if said is None else {"server_said": said}
            self._log.warning("feed trouble", kind=kind, detail=detail, **theirs)

    def rejected(self, rejects: Rejects) -> list[str]:
        """Count bad items; the kinds of trouble there were."""
        kinds = []
        for kind, count in rejects.counts.items():
            kinds.append(f"item_{kind}")
            self.trouble(kinds[-1], rejects.samples[kind], count)
        return kinds

    def suspected(self, poll: Poll) -> list[str]:
        """Count items whose time cannot be; the kinds of trouble there were."""
        kinds = []
        for kind, items, why in (
            ("item_outdated", poll.outdated, poll.why_outdated),
            ("item_clock_ahead", poll.ahead, poll.why_ahead),
        ):
            if items:
                kinds.append(kind)
                self.trouble(kind, why, len(items))
        return kinds

    def behind(self, items: int) -> list[str]:
        """Count items for which another feed has told a price that is as new, or newer."""
        if not items:
            return []
        self.trouble(
            "item_behind",
            "another upstream has told prices of these symbols that are as new, or newer",
            items,
        )
        return ["item_behind"]

    def succeeded(self, again: Iterable[str]) -> None:
        """Take a round that succeeded, with the troubles `again`; say which troubles are over."""
        for over in self._troubles.after_success(again):
            self._log.info("feed trouble over", kind=over, times=self._troubles.counts[over])

    def stepped(self, seconds: float) -> None:
        """The upstream's clock was set: log it, and have it be the reason for a while."""
        self._log.warning("a clock was set", whose="upstream", seconds=seconds)
        way = "back" if seconds < 0 else "forward"
        why = f"the upstream's clock was set {way} by {abs(seconds):.0f} s"
        self._stepped = (Moment.now(), why)

    # The rows

    def begin(self, interval: float) -> None:
        """Have a row, so that a feed that never fetches is missed."""
        if self._upstream not in self._tables.feeds:
            row = FeedStatus(state_of(None, interval), None, interval, listed=False)
            self._tables.feeds.put(self._upstream, row)

    def fresh(self, as_of: Moment, interval: float) -> None:
        """Prices were told or confirmed."""
        step = self._stepped
        why = None if step is None or step[0].age > STEP_TOLD_SECONDS else step[1]
        # Every life begins with the whole list, so the list has been seen.
        self._put(as_of, interval, why, listed=self._lists)

    def stale(self, interval: float, reason: str) -> None:
        """A round has brought nothing, so the prices grow older."""
        before = self._tables.feeds.get(self._upstream)
        as_of, listed = (None, False) if before is None else (before.as_of, before.listed)
        self._put(as_of, interval, reason, listed=listed)

    def held_back(self, interval: float, reason: str) -> None:
        """Nothing was asked for. The earlier reason stays, if there is one: it says more."""
        before = self._tables.feeds.get(self._upstream)
        self.stale(interval, (before and before.reason) or reason)

    def paced(self, interval: float) -> None:
        """The interval is another. A shorter one counts from the next round on, which begins now:
        until it ends, prices of the longer one are not late.
        """
        before = self._tables.feeds.get(self._upstream)
        if before is not None and interval > before.interval:
            self._put(before.as_of, interval, before.reason, listed=before.listed)

    def _put(
        self, as_of: Moment | None, interval: float, reason: str | None, *, listed: bool
    ) -> None:
        reason = None if reason is None else shortened(reason, LONGEST_REASON)
        row = FeedStatus(state_of(as_of, interval), as_of, interval, listed, reason)
        self._tables.feeds.put(self._upstream, row)
        figures = FeedFigures(dict(self._troubles.counts), dict(self._seen))
        self._tables.feed_figures.put(self._upstream, figures)
        self._changed()
