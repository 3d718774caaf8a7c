"""Whether clients should be sent to this node, and the checks that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.history.progress import progress, told
from stockstream.history.standing_of_upkeep import upkeep
from stockstream.quotes import iso_utc
from stockstream.statuses import CircuitState, FeedState, NodeState
from stockstream.symbol_states import stale_count
from stockstream.times import Moment, tell
from stockstream.upstreams import circuits_of, current_state, feed_of_all, worst_circuit

if TYPE_CHECKING:
    from stockstream.statuses import CircuitStatus, FeedStatus, Members, ReplicaStatus
    from stockstream.tables import Tables

TAKES_CLIENTS = frozenset({NodeState.READY, NodeState.ALONE})
OPEN_TOO_LONG_SECONDS = 60.0
"""A breaker open for less is a passing state; clients see the last prices meanwhile."""


def readiness(tables: Tables, now_ms: int) -> tuple[bool, dict[str, object]]:
    """Whether clients should be sent here, and the checks that say so. Times as ISO 8601.

    `feed` and `circuit_breaker` are as clients are told: the worst of all upstreams. One of them
    that is well is enough to be ready: without the others there are some prices, and elsewhere no
    more of them.

    History is told and does not count: prices stream without it, and wait on disk for it.

    In a cluster there is a check `cluster`. A node that is alone serves its clients, and says so;
    one that is joining, or only stands by, should get none.
    """
    feeds, circuits = tables.feeds.rows, circuits_of(tables)
    upstreams = {name: _upstream(row, circuits.get(name)) for name, row in sorted(feeds.items())}
    worst = worst_circuit(circuits)
    fed = next((feeds.get(name) for name, row in circuits.items() if row is worst), None)
    checks: dict[str, object] = {
        "feed": _feed(feed_of_all(feeds)),
        "circuit_breaker": _circuit(fed, worst),
        "symbols": _symbols(tables),
        "upstreams": upstreams,
        "history": _history(tables, now_ms),
    }
    members = tables.members.value
    if members is not None:
        checks["cluster"] = _cluster(members)
    taking_part = members is None or members.state in TAKES_CLIENTS
    return taking_part and any(upstream["ok"] for upstream in upstreams.values()), checks


def _cluster(members: Members) -> dict[str, object]:
    """The age of the last echo rises on a node that is cut off, whatever else seems well."""
    return {
        "ok": members.state is NodeState.READY,
        "state": members.state,
        **({} if members.why is None else {"reason": members.why}),
        "members": len(members.members),
        "ready": sum(member.ready for member in members.members),
        "echo_age_seconds": None if members.echoed is None else round(members.echoed.age, 3),
    }


def _symbols(tables: Tables) -> dict[str, object]:
    """How many have a price, and how many of these no upstream confirms any more."""
    known = len(tables.quotes)
    stale = stale_count(tables.confirmations.rows, Moment.now().milliseconds)
    return {"ok": not known or stale < known, "known": known, "stale": stale}


def _upstream(feed: FeedStatus, circuit: CircuitStatus | None) -> dict[str, object]:
    checks = {"feed": _feed(feed), "circuit_breaker": _circuit(feed, circuit)}
    return {"ok": all(check["ok"] for check in checks.values()), **checks}


def _feed(feed: FeedStatus | None) -> dict[str, object]:
    as_of = None if feed is None else feed.as_of
    return {
        "ok": feed is not None and current_state(feed) is not FeedState.DOWN,
        "state": None if feed is None else current_state(feed),
        "as_of": None if as_of is None else iso_utc(tell(as_of)),
        "reason": None if feed is None else feed.reason,
    }


def _circuit(feed: FeedStatus | None, circuit: CircuitStatus | None) -> dict[str, object]:
    """A breaker counts as open since the last fetch that succeeded. One that probes a dead upstream
    every few seconds without success is half open in between, but is not better.
    """
    open_seconds = 0.0
    if circuit is not None and circuit.state is not CircuitState.CLOSED:
        last = circuit.since if feed is None or feed.as_of is None else feed.as_of
        open_seconds = last.age
    return {
        "ok": open_seconds <= OPEN_TOO_LONG_SECONDS,
        "state": None if circuit is None else circuit.state,
        "open_seconds": round(open_seconds, 3),
        "reason": None if circuit is None else circuit.reason,
    }


def _history(tables: Tables, now_ms: int) -> dict[str, object]:
    database = tables.database.value
    standing = progress(tables, now_ms)
    return {
        "ok": standing.ok,
        "reason": standing.reason,
        "connections": None if database is None else database.connections,
        "lag_seconds": standing.lag_seconds,
        "waiting": tables.outbox.statistics().waiting,
        "retention": upkeep(tables),
        "replica": None if database is None else _replica(database.replica),
        "recorder": told(tables.recorder.value, now_ms),
    }


def _replica(status: ReplicaStatus | None) -> dict[str, object] | None:
    """Trouble of the replica is not trouble of the history: the primary is asked meanwhile."""
    if status is None:
        return None
    return {
        "ok": not status.reason,
        "reason": status.reason or None,
        "connections": status.connections,
        "lag_seconds": None if status.as_of is None else round(status.as_of.age, 3),
    }
