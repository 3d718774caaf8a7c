"""Probes: whether something is so on a running node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from stockstream.chaos.node import Unreachable
from stockstream.chaos.quantities import parse_duration
from stockstream.chaos.report import Verdict
from stockstream.chaos.watchers import Watchers

if TYPE_CHECKING:
    from stockstream.chaos.experiment import Probe
    from stockstream.chaos.node import Node


AskNumber = Callable[[str, float], Awaitable[float]]
"""Asks the database a query that answers one number, within so many seconds.

It raises Unreachable when there is none.
"""


async def probe_node(probe: Probe, node: Node, ask_number: AskNumber) -> Verdict:
    """Look once."""
    name = probe.name or f"{probe.kind} {probe.url or probe.metric or probe.sql or probe.symbol}"
    try:
        match probe.kind:
            case "http":
                answer = await node.get(probe.url)
                held = answer.status_code == probe.status
                return Verdict(name, held, f"{probe.url} answered {answer.status_code}")
            case "websocket":
                return await _price_comes(name, probe, node)
            case "metric":
                return _between(name, probe, probe.metric, await _metric(probe, node))
            case "sql":
                value = await ask_number(probe.sql, parse_duration(probe.within))
                return _between(name, probe, "the answer", value)
            case other:
                raise ValueError(other)  # files are checked for it
    except Unreachable as error:
        return Verdict(name, False, str(error))


def _between(name: str, probe: Probe, what: str, value: float) -> Verdict:
    above = probe.above is None or value > probe.above
    below = probe.below is None or value < probe.below
    return Verdict(name, above and below, f"{what} is {value:g}")


async def _price_comes(name: str, probe: Probe, node: Node) -> Verdict:
    watchers = Watchers(1)
    seconds = parse_duration(probe.within)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchers.run, node.websocket_url, node.credentials)
        came = await watchers.steady(seconds)
        nursery.cancel_scope.cancel()
    return Verdict(name, came, "a price came" if came else f"no price within {seconds:g} s")


async def _metric(probe: Probe, node: Node) -> float:
    if probe.metric == "faults":
        return len((await node.status()).active)
    if probe.metric.startswith("history_"):
        return await _history(probe.metric, node)
    targets = await node.targets()
    match probe.metric:
        case "clients":
            return sum(target.actor == "Session" for target in targets)
        case "actors":
            return len(targets)
        case _:
            chosen = [t for t in targets if not probe.target or t.path == probe.target]
            return sum(t.restarts if probe.metric == "restarts" else t.mailbox for t in chosen)


async def _history(metric: str, node: Node) -> float:
    try:
        history = (await node.get("/admin/api/overview")).json()["history"]
        recorder = history["recorder"] or {}
        if metric == "history_waiting":
            return float(history["waiting"] + recorder.get("spooled", 0))
        return float(history["lag_seconds"])  # by the node's own clocks
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"the node does not tell of its history: {error}") from error
