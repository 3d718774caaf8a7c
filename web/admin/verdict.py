"""One verdict over a node: whether anybody has to do something, why, and where to look.

It judges nothing itself. What `/health/ready` finds, what operators were told of by a notice and is
not well again, and what other figures of the page show as late is put together, the worst first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.told import cluster_document
from stockstream.symbol_states import stale_by_reason
from stockstream.times import Moment
from supervision import Restart, snapshot
from web.admin.reasons import EVENT_MS, Reason, Tone, deliveries, limits, mailboxes, upkeep
from web.readiness import readiness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.statuses import OpenNotice
    from stockstream.tables import Tables
    from stockstream.telemetry.process import ProcessSample
    from supervision import ActorSnapshot, System
    from web.parts import Parts

DOWN_SECONDS = 2.0
"""An actor that is away for less was killed, and comes back."""
REFUSED_SECONDS = 60.0
"""A kind of bad items that did not come for so long is over."""
LAG_SAMPLES, LAG_MS = 10, 250.0
"""Of the last seconds so many held a task up for so long: as the alert RunLoopLag has it."""
SYMBOLS_NAMED = 5
_ONCE = frozenset({"supervisor", "ticks"})


class Verdict(msgspec.Struct, frozen=True):
    """`tone` is that of the worst reason; `ready` is what `/health/ready` answers."""

    tone: Tone
    ready: bool
    reasons: list[Reason]


class _Check(msgspec.Struct, frozen=True):
    ok: bool
    state: str | None = None
    reason: str | None = None
    open_seconds: float = 0.0


class _Upstream(msgspec.Struct, frozen=True):
    ok: bool
    feed: _Check
    circuit_breaker: _Check


class _Symbols(msgspec.Struct, frozen=True):
    ok: bool
    known: int
    stale: int


class _Replica(msgspec.Struct, frozen=True):
    ok: bool
    reason: str | None


class _History(msgspec.Struct, frozen=True):
    ok: bool
    reason: str | None
    lag_seconds: float
    retention: str
    replica: _Replica | None


class _Checks(msgspec.Struct, frozen=True):
    upstreams: dict[str, _Upstream]
    symbols: _Symbols
    history: _History
    cluster: _Check | None = None


def verdict(parts: Parts, now_ms: int) -> Verdict:
    """How this node stands now; inside a trio run only."""
    tables = parts.tables
    ready, told = readiness(tables, now_ms)
    checks = msgspec.convert(told, _Checks)
    samples = parts.telemetry.process.samples()[-LAG_SAMPLES:]
    actors = _walked(parts.system)
    reasons = [
        *_actors(actors),
        *mailboxes(actors),
        *_upstreams(checks, ready=ready),
        *_lines(tables),
        *_notices(tables, checks, now_ms),
        *_symbols(tables, checks),
        *_items(tables),
        *_history(tables, checks),
        *_cluster(tables, checks),
        *_process(samples),
        *_clients(parts),
        *limits(len(parts.connections.lanes()), parts.settings.max_connections, samples),
        *upkeep(tables, now_ms),
        *deliveries(tables, now_ms),
    ]
    order = list(Tone)
    reasons.sort(key=lambda reason: order.index(reason.tone), reverse=True)
    tone = reasons[0].tone if reasons else Tone.GOOD
    return Verdict(tone, ready, reasons)


def _walked(system: System) -> list[ActorSnapshot]:
    root = snapshot(system, most_dynamic=0)
    return [] if root is None else list(root.walk())


def _actors(actors: list[ActorSnapshot]) -> Iterator[Reason]:
    for actor in actors:
        if _is_down(actor):
            text = f"{actor.path} does not run: {actor.last_exit or actor.state}"
            yield Reason(Tone.BAD, "tree", text)


def _is_down(actor: ActorSnapshot) -> bool:
    if actor.uptime is not None or actor.restart is Restart.TEMPORARY:
        return False
    return actor.last_exit_ago is None or actor.last_exit_ago > DOWN_SECONDS


def _upstreams(checks: _Checks, *, ready: bool) -> Iterator[Reason]:
    if not checks.upstreams:
        yield Reason(Tone.BAD, "feeds", "no feed has begun")
    for name, upstream in checks.upstreams.items():
        # One of several that is well is enough to be ready.
        tone = Tone.WARN if ready else Tone.BAD
        feed, breaker = upstream.feed, upstream.circuit_breaker
        if not feed.ok:
            why = "" if feed.reason is None else f": {feed.reason}"
            yield Reason(tone, "feeds", f"the feed {name} is {feed.state}{why}")
        if not breaker.ok:
            text = f"the circuit breaker of {name} is open for {breaker.open_seconds:.0f} s"
            yield Reason(tone, "feeds", text)


def _lines(tables: Tables) -> Iterator[Reason]:
    """Connections of feeds that are open, and yet tell no prices: REST is asked, if it can be."""
    for name, row in sorted(tables.pushes.rows.items()):
        for number, line in sorted(row.lines.items()):
            if line.silent:
                quiet = "" if line.priced is None else f" for {line.priced.age:.0f} s"
                text = f"line {number} of {name} is open, and has told no price{quiet}"
                yield Reason(Tone.WARN, "upstreams", text)


def _notices(tables: Tables, checks: _Checks, now_ms: int) -> Iterator[Reason]:
    figures = tables.notices.value
    for notice in () if figures is None else figures.open:
        if notice.kind in _ONCE and now_ms - notice.at > EVENT_MS:
            continue
        if not _is_told(notice, checks):
            tone = Tone.WARN if notice.state == "half_open" else Tone.BAD
            part = {"supervisor": "tree", "ticks": "history"}.get(notice.kind, "feeds")
            yield Reason(tone, part, notice.text)


def _is_told(notice: OpenNotice, checks: _Checks) -> bool:
    """Whether the readiness says the same of it already."""
    upstream = checks.upstreams.get(notice.subject)
    if upstream is None or upstream.ok:
        return False
    told = {"feed": upstream.feed, "circuit": upstream.circuit_breaker}.get(notice.kind)
    return told is not None and not told.ok


def _symbols(tables: Tables, checks: _Checks) -> Iterator[Reason]:
    symbols = checks.symbols
    if not symbols.stale:
        return
    now = Moment.now().milliseconds
    by_reason: dict[str, list[str]] = {}
    for row in tables.confirmations.rows.values():
        for reason, some in stale_by_reason(row, now).items():
            by_reason.setdefault(reason.value, []).extend(some)
    why = "; ".join(
        f"{reason.replace('_', ' ')}: {_some(some)}" for reason, some in sorted(by_reason.items())
    )
    text = f"{symbols.stale} of {symbols.known} symbols are stale" + (f" ({why})" if why else "")
    yield Reason(Tone.WARN if symbols.ok else Tone.BAD, "symbols", text)


def _some(symbols: list[str]) -> str:
    named = ", ".join(sorted(symbols)[:SYMBOLS_NAMED])
    more = len(symbols) - SYMBOLS_NAMED
    return named if more <= 0 else f"{named} and {more} more"


def _items(tables: Tables) -> Iterator[Reason]:
    for name, figures in sorted(tables.feed_figures.rows.items()):
        for kind, last in figures.seen.items():
            if kind.startswith("item_") and last.at.age <= REFUSED_SECONDS:
                what = kind.removeprefix("item_").replace("_", " ")
                text = f"items of {name} are refused, {what}: {figures.troubles[kind]} so far"
                yield Reason(Tone.WARN, "items", f"{text} ({last.detail})")


def _history(tables: Tables, checks: _Checks) -> Iterator[Reason]:
    history, recorder = checks.history, tables.recorder.value
    if not history.ok:
        # A backlog that is being worked off is no alert: nobody need do anything about it.
        well = recorder is not None and recorder.spooled > 0
        well = well and recorder is not None and recorder.alert is None and recorder.trouble is None
        lag = f", {history.lag_seconds:.0f} s behind" if history.lag_seconds >= 1 else ""
        text = f"history: {history.reason}{lag}"
        yield Reason(Tone.WARN if well else Tone.BAD, "history", text)
    if recorder is not None and recorder.rejected:
        text = f"history: the database has refused {recorder.rejected} batches; they are put aside"
        yield Reason(Tone.WARN, "history", text)
    told = {"goes on", *(job.failing for job in tables.jobs.rows.values())}
    if history.retention not in told:
        yield Reason(Tone.WARN, "history", f"retention: {history.retention}")
    if history.replica is not None and not history.replica.ok:
        yield Reason(Tone.WARN, "history", f"the replica: {history.replica.reason}")


def _cluster(tables: Tables, checks: _Checks) -> Iterator[Reason]:
    cluster, document = checks.cluster, cluster_document(tables)
    if cluster is None or document is None:
        return
    if not cluster.ok:
        why = "" if cluster.reason is None else f": {cluster.reason}"
        state = (cluster.state or "").replace("_", " ")
        yield Reason(Tone.BAD, "cluster", f"this node is {state} in the cluster{why}")
    own = f"{document.node} is "
    for trouble in document.troubles:
        if not trouble.startswith(own):  # which is told above
            yield Reason(Tone.WARN, "cluster", f"cluster: {trouble}")


def _process(samples: list[ProcessSample]) -> Iterator[Reason]:
    late = [sample.lag_ms for sample in samples if sample.lag_ms >= LAG_MS]
    if len(late) > LAG_SAMPLES // 2:
        text = f"the run loop is held up: tasks that are due wait up to {max(late):.0f} ms"
        yield Reason(Tone.BAD, "process", text)
    elif late:
        text = f"the run loop was held up by {max(late):.0f} ms in the last {LAG_SAMPLES} s"
        yield Reason(Tone.WARN, "process", text)


def _clients(parts: Parts) -> Iterator[Reason]:
    slow = sum(lane.slow for lane in parts.connections.lanes())
    if slow:
        clients = "1 client is" if slow == 1 else f"{slow} clients are"
        yield Reason(Tone.WARN, "clients", f"{clients} slow: over 10 s behind")
