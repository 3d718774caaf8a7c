"""How a symbol stands, in the dashboard's words (`freshness.js`, `standing.js`, `basis.js`).

The server says of each symbol whether its last fetch told it. What only the reader can know is
here: that no message came, and that a price has not moved. All times are ms of our monotonic clock.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from stockstream.cli.watch import figures
from stockstream.quotes import Basis, TradingSession
from stockstream.statuses import SymbolState

if TYPE_CHECKING:
    from stockstream.told_quote import ToldDay

STALE_AFTER_INTERVALS = 3
FROZEN_AFTER_MS = 60_000.0
"""A price that has not changed for longer in an open session is frozen."""
FEED_HEARTBEAT_MS = 5_000.0
"""While nothing changes, the last fetch may be told this late."""
DOUBT_MS = 1_000.0
"""A connection that may be dead gets this long to answer before nothing is live any more."""
DEFAULT_INTERVAL_MS = 5_000.0
"""Until the server tells its fetch interval."""


class RowState(StrEnum):
    """The state of a symbol, as it is shown."""

    LOADING = "loading"
    REFUSED = "refused"
    STALE = "stale"
    HALTED = "halted"
    CLOSED = "closed"
    FROZEN = "frozen"
    LIVE = "live"


class Cause(StrEnum):
    """Why it is stale: the server's word for it, our doubt, or the feed as a whole."""

    SYMBOL = "symbol"
    CONNECTION = "connection"
    FEED = "feed"


@dataclass(slots=True)
class Held:
    """A quote with its times on our clock. `confirmed_at` None: by the feed's last fetch."""

    price: float
    timestamp: str
    version: tuple[int, int]
    changed_at: float
    state: SymbolState = SymbolState.LIVE
    reason: str | None = None
    confirmed_at: float | None = None
    base: float | None = None
    basis: Basis | None = None
    base_at: str | None = None
    day_zone: str | None = None
    exchange: str | None = None
    currency: str | None = None
    name: str | None = None
    source: str | None = None
    session: TradingSession | None = None
    delayed: bool = False
    delayed_seconds: int | None = None
    previous_close: float | None = None
    day: ToldDay | None = None
    bid: float | None = None
    ask: float | None = None
    quoted_at: str | None = None


@dataclass(frozen=True, slots=True)
class FeedView:
    """The feed, as far as freshness needs it. `interval` and `told_every` in ms.

    `connected` is whether messages can arrive at all, `doubted_since` since when nobody knows. The
    state is `partly` so where another upstream is live; `fetched_at` is of those that are.
    """

    fetched_at: float | None
    interval: float | None
    feed: str
    connected: bool
    doubted_since: float | None
    told_every: float = FEED_HEARTBEAT_MS
    partly: bool = False

    @property
    def stale_after(self) -> float:
        """The age of the last fetch beyond which prices are stale.

        Three intervals. But fetches are told with messages, and while prices stand still the next
        may be a heartbeat away, so while the feed is called live, or a part of it is, it is never
        under that.
        """
        interval = DEFAULT_INTERVAL_MS if self.interval is None else self.interval
        plain = STALE_AFTER_INTERVALS * interval
        told = self.connected and (self.feed == "live" or self.partly)
        return max(plain, self.told_every + interval) if told else plain

    def doubted(self, now: float) -> bool:
        """Whether there is no word for so long that it may never come."""
        return self.doubted_since is not None and now - self.doubted_since > DOUBT_MS

    def stale(self, now: float) -> bool:
        """Whether no price at all is live."""
        if self.fetched_at is None or self.doubted(now):
            return True
        return now - self.fetched_at > self.stale_after

    def state(self, now: float) -> str:
        """The server's word, unless the age of the data tells another story."""
        if self.blind(now):
            return "unknown"
        stale = self.feed == "live" and self.fetched_at is not None and self.stale(now)
        return "stale" if stale else self.feed

    def blind(self, now: float) -> bool:
        """Whether nothing can be known of the server."""
        return not self.connected or self.doubted(now)


def row_state(held: Held | None, view: FeedView, now: float) -> tuple[RowState, Cause | None]:
    """The state of a symbol that is served, and the cause of a stale one."""
    if held is None:
        return RowState.LOADING, None
    if held.state is SymbolState.STALE:  # stays said while the feed is away
        return RowState.STALE, Cause.SYMBOL
    if view.stale(now):
        return RowState.STALE, Cause.CONNECTION if view.blind(now) else Cause.FEED
    if held.session in _SHUT:
        return _SHUT[held.session], None
    return RowState.FROZEN if now - held.changed_at > FROZEN_AFTER_MS else RowState.LIVE, None


_SHUT = {TradingSession.HALTED: RowState.HALTED, TradingSession.CLOSED: RowState.CLOSED}
_SESSIONS = {TradingSession.PRE: "pre-market", TradingSession.POST: "after hours"}

REASONS = {
    "not_listed": "not listed any more",
    "not_told": "left out by the provider",
    "not_positive": "price was 0 or less",
    "not_finite": "price was no number",
    "wrong_type": "price was unreadable",
    "missing_field": "price or time was missing",
    "invalid_timestamp": "time was unreadable",
    "duplicate_symbol": "told twice",
    "beyond_limit": "beyond the limit",
    "outdated": "time went back",
    "feed_away": "source is away",
    "over_limit": "over the limit of its source",
    "not_in_plan": "not in the plan",
    "clock_ahead": "time is ahead",
}
UNKNOWN_REASON = "not confirmed"
CAUSES = {Cause.FEED: "nothing newer could be fetched", Cause.CONNECTION: "no word from the server"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a symbol stands. `text` is how old it is: "2 s", "Stale 4 min"; `age` the same in ms.

    `note` is what else has to be known: "not listed any more", "delayed 15 min"; often empty. The
    `reason` of a stale one is the server's code, or "feed" or "connection" where that is away.
    """

    state: RowState
    text: str
    note: str
    age: float | None = None
    reason: str | None = None


def standing(held: Held | None, rejected: str | None, view: FeedView, now: float) -> Standing:
    """How a symbol stands now. `rejected` is why the server does not serve it, None if it does."""
    if rejected is not None:
        return Standing(RowState.REFUSED, "Not served", rejected, reason=rejected)
    state, cause = row_state(held, view, now)
    if held is None:
        return Standing(state, "Waiting", "")
    delay = _delay(held)
    confirmed = view.fetched_at if held.confirmed_at is None else held.confirmed_at
    old = None if confirmed is None else max(0.0, now - confirmed)
    ago = "" if old is None else figures.age(old)
    if state is RowState.STALE:
        if cause is Cause.SYMBOL:
            note = REASONS.get(held.reason or "", UNKNOWN_REASON)
            return Standing(state, f"Stale {ago}".strip(), note, old, held.reason)
        whole = Cause.CONNECTION if cause is Cause.CONNECTION else Cause.FEED
        note = ", ".join(filter(None, (CAUSES[whole], delay)))
        return Standing(state, f"Stale {ago}".strip(), note, old, whole.value)
    if state is RowState.HALTED or state is RowState.CLOSED:
        return Standing(state, state.value.capitalize(), delay, old)
    note = ", ".join(filter(None, (delay, _SESSIONS.get(held.session, "") if held.session else "")))
    if state is RowState.FROZEN:
        return Standing(state, f"Frozen {figures.age(now - held.changed_at)}", note, old)
    return Standing(state, ago, note, old)


def _delay(held: Held) -> str:
    if held.delayed_seconds:
        return f"delayed {figures.age(held.delayed_seconds * 1000)}"
    return "delayed" if held.delayed else ""


BASES = {
    Basis.PREVIOUS_CLOSE: ("since the previous close", "since close"),
    Basis.OPEN: ("since the day's open", "since open"),
    Basis.DAY_FIRST: ("since the day's first price", "since day's first"),
    Basis.FIRST_SEEN: ("since first seen", "since first seen"),
}
"""What the change of the day is against: in a sentence, and above a column."""

_TIMED = {Basis.DAY_FIRST, Basis.FIRST_SEEN}


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the day, in the currency of the price and in percents."""

    absolute: float
    percent: float


def change(held: Held) -> Change | None:
    """None when there is nothing to compare with."""
    if not held.base:
        return None
    absolute = held.price - held.base
    return Change(absolute, absolute / held.base * 100)


def since(held: Held) -> str:
    """What the change is against, with the time of a price that was first; "" if nobody says."""
    if held.basis is None:
        return ""
    words = BASES[held.basis][0]
    if held.base_at is None or held.basis not in _TIMED:
        return words
    return f"{words} at {_time_in(held.day_zone or 'UTC', held.base_at)}"


def _time_in(zone: str, moment: str) -> str:
    """As "09:30 in New York" or "14:02 UTC", the latter too for a zone that is not known here."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    name = zone.rpartition("/")[2].replace("_", " ")
    if zone != "UTC":
        with suppress(OSError, ValueError, KeyError):  # a zone not known here, or no name of one
            return f"{at.astimezone(ZoneInfo(zone)):%H:%M} in {name}"
    return f"{at.astimezone(UTC):%H:%M} UTC"


def bases_sentence(all_held: list[Held]) -> tuple[str, str]:
    """What the changes are against: above their column, "" where they differ, and in a sentence."""
    counts: dict[Basis, int] = {}
    for held in all_held:
        if held.basis is not None:
            counts[held.basis] = counts.get(held.basis, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    if not ordered:
        return "", ""
    (first, most), *others = ordered
    if not others:
        return BASES[first][1], f"Change is {BASES[first][0]}."
    parts = [f"{BASES[first][0]} for {most} {'symbol' if most == 1 else 'symbols'}"]
    parts += [f"{BASES[basis][0]} for {count}" for basis, count in others]
    return "", f"Change is {', '.join(parts)}."
