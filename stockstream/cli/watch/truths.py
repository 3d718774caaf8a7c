"""Three of the four truths in the dashboard's words (`status.js`): the connection, the feed and the
circuit breaker, each for itself. The fourth, the age of each price, is in its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.cli.watch import figures
from stockstream.cli.watch.watching import Connecting, Open, Waiting

if TYPE_CHECKING:
    from stockstream.cli.watch.standing import FeedView
    from stockstream.cli.watch.watching import Watching


@dataclass(frozen=True, slots=True)
class Truth:
    """`state` is for programs, `name` and `detail` are for people; only `detail` has ages in it."""

    state: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Truths:
    """All three; `reason` is the server's, why its feed or breaker does not do well."""

    connection: Truth
    feed: Truth
    breaker: Truth
    reason: str | None


def truths(watching: Watching, now: float) -> Truths:
    """What is true now, on our clock in ms."""
    view = watching.view(now)
    reason = None if watching.status is None else watching.status.reason
    return Truths(
        _connection(watching, view, now),
        _feed(watching, view, now),
        _breaker(watching, view, now),
        reason,
    )


def _connection(watching: Watching, view: FeedView, now: float) -> Truth:
    match watching.link:
        case Open() if view.doubted(now):
            return Truth("no_answer", "No answer", "asking whether it is still there")
        case Open():
            round_trip = watching.round_trip
            if round_trip is None:
                return Truth("open", "Connected", "")
            return Truth("open", "Connected", f"round trip {max(1, round(round_trip))} ms")
        case Waiting(retry_at, reason):
            retry = f"retry in {figures.countdown(retry_at - now)}"
            return Truth("lost", "Lost", f"{retry}: {reason}")
        case Connecting():
            return Truth("connecting", "Connecting", "")


def _feed(watching: Watching, view: FeedView, now: float) -> Truth:
    fetched_at, status = watching.fetched_at, watching.status
    fetched = "" if fetched_at is None else f"fetched {figures.age(now - fetched_at)} ago"
    state = view.state(now)
    reason = status.reason if status is not None and status.reason else ""
    match state:
        case "live":
            every = "" if status is None else f"every {figures.interval(status.interval)}"
            return Truth(state, "Live", _join(fetched, every))
        case "stale" | "down":
            name = f"Partly {state}" if view.partly else state.capitalize()
            return Truth(state, name, _join(fetched, reason))
        case _:
            lost = "" if view.connected else "no connection"
            return Truth("unknown", "Unknown", _join(lost, fetched))


def _breaker(watching: Watching, view: FeedView, now: float) -> Truth:
    status = watching.status
    match "unknown" if status is None or view.blind(now) else status.circuit:
        case "closed":
            return Truth("closed", "Closed", "requests pass")
        case "half_open":
            return Truth("half_open", "Half-open", "probing")
        case "open":
            return Truth("open", "Open", _probe(watching.probe_at, now))
        case _:
            return Truth("unknown", "Unknown", "" if view.connected else "no connection")


def _probe(probe_at: float | None, now: float) -> str:
    if probe_at is None:
        return "requests held back"
    left = probe_at - now
    return f"next probe in {figures.countdown(left)}" if left > 0 else "probe due"


def _join(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
