"""What a drill left behind on its node: memory, files, tasks (C15), and history (C16)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec
import trio

from stockstream.chaos.node import Unreachable
from stockstream.chaos.report import Verdict
from stockstream.decoding import from_json
from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from stockstream.chaos.node import Node

K = TypeVar("K")
Version = tuple[int, int]

MEMORY_SHARE = 1.1
MEMORY_SLACK_BYTES = 16_000_000
"""Allowed beside the tenth: a server that has just started, and has its first crash, fills caches
that it keeps."""
FILES_SLACK = 8
TASKS_SLACK = 8
"""Connections to a database, and requests of others, come and go."""
HISTORY_SECONDS = 4.0
HEALED_SECONDS = 10.0
SAMPLED_SECONDS = 10.0
CALM_SECONDS = 15.0
RECORDED_SECONDS = 15.0
LOOK_SECONDS = 0.5
SYMBOLS = 5
PAGES = 40


class Sample(msgspec.Struct, frozen=True):
    """The process at one moment, `at` ms since 1970 by the node's clock; `memory` in bytes.

    `files` is None where the system does not tell it.
    """

    at: int
    memory: int
    files: int | None
    tasks: int


class _Process(msgspec.Struct, frozen=True):
    samples: list[Sample]


class _History(msgspec.Struct, frozen=True):
    ok: bool
    reason: str | None


class _Overview(msgspec.Struct, frozen=True):
    now: int
    process: _Process
    history: _History


class _Tick(msgspec.Struct, frozen=True):
    version: Version


class _Ticks(msgspec.Struct, frozen=True):
    ticks: list[_Tick]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Before:
    """The node before a drill. `at` in ms since 1970, by its clock.

    `no_history` is the reason why nothing is recorded, None if the history is recorded. `actors`
    are the paths of those that lived, without the sessions.
    """

    at: int
    sample: Sample | None
    no_history: str | None
    actors: frozenset[str]


async def look(node: Node) -> Before:
    """Measure the node, to compare it with afterwards.

    Raises:
        Unreachable: it does not answer.
    """
    overview = await _overview(node)
    with trio.move_on_after(HISTORY_SECONDS):
        while not overview.history.ok:
            # A server that has just started still adds tasks, which are not left behind by us.
            await trio.sleep(LOOK_SECONDS)
            overview = await _overview(node)
    history, at = overview.history, overview.now
    reason = None if history.ok else history.reason or "it is not recorded"
    actors = await _actors(node)
    with trio.move_on_after(SAMPLED_SECONDS):
        while True:
            samples = overview.process.samples
            if samples and samples[-1].at > at:
                # It includes the watching clients.
                return Before(at, samples[-1], reason, actors)
            await trio.sleep(LOOK_SECONDS)
            overview = await _overview(node)
    return Before(at, None, reason, actors)


async def healed(node: Node, before: Before) -> Verdict:
    """C12: all actors that lived before live again."""
    missing = before.actors
    with trio.move_on_after(HEALED_SECONDS):
        while missing:
            missing = before.actors - await _actors(node)
            if missing:
                await trio.sleep(LOOK_SECONDS)
    detail = f"not there: {', '.join(sorted(missing))}" if missing else f"{len(before.actors)} live"
    return Verdict("every actor is there again (C12)", not missing, detail)


async def _actors(node: Node) -> frozenset[str]:
    return frozenset(target.path for target in await node.targets(0) if target.state == "running")


async def footprint(node: Node, before: Before) -> Verdict | None:
    """C15: what the node holds comes back to what it held. None when that is not known."""
    if before.sample is None:
        return None
    worst = ""
    with trio.move_on_after(CALM_SECONDS):
        while True:
            samples = (await _overview(node)).process.samples
            left = left_over(before.sample, samples[-1])
            if left is None:
                held, now = before.sample.memory / 1e6, samples[-1].memory / 1e6
                return Verdict(_LEFT, True, f"memory {held:.0f} MB before, {now:.0f} MB after")
            worst = left
            await trio.sleep(LOOK_SECONDS)
    return Verdict(_LEFT, False, f"{worst}, {CALM_SECONDS:g} s after the last fault")


def left_over(before: Sample, after: Sample) -> str | None:
    """The figures that are too high afterwards; None if there are none."""
    most = max(before.memory * MEMORY_SHARE, before.memory + MEMORY_SLACK_BYTES)
    if after.memory > most:
        return f"memory went from {before.memory / 1e6:.0f} to {after.memory / 1e6:.0f} MB"
    if (
        before.files is not None
        and after.files is not None
        and after.files > before.files + FILES_SLACK
    ):
        return f"open files went from {before.files} to {after.files}"
    if after.tasks > before.tasks + TASKS_SLACK:
        return f"tasks went from {before.tasks} to {after.tasks}"
    return None


async def recorded(node: Node, before: Before, seen: Mapping[str, Version]) -> Verdict:
    """C16: for some symbols, all prices published since `before` are in the history once.

    `seen` are the newest versions that clients have: the check covers the records up to them.
    """
    chosen = sorted(seen)[:SYMBOLS]
    faults: list[str] = []
    ticks = 0
    for symbol in chosen:
        versions: list[Version] = []
        problem: str | None = "could not be asked for in time"
        with trio.move_on_after(RECORDED_SECONDS):
            while True:
                versions = await _versions(node, symbol, before.at)
                problem = once(versions, seen[symbol])
                if problem is None:
                    break
                await trio.sleep(LOOK_SECONDS)
        ticks += len(versions)
        if problem is not None:
            faults.append(f"{symbol} {problem}")
    detail = "; ".join(faults) or f"{ticks} ticks of {len(chosen)} symbols, none missing or twice"
    return Verdict("what was published is stored once (C16)", not faults, detail)


def once(versions: Sequence[Version], newest: Version) -> str | None:
    """What is wrong with the recorded versions of a symbol up to `newest`; None for nothing."""
    twice = [version for version, count in Counter(versions).items() if count > 1]
    if twice:
        return f"has {len(twice)} versions twice, the first {twice[0]}"
    for epoch in sorted({version[0] for version in versions}):
        there = {seq for of, seq in versions if of == epoch}
        missing = set(range(min(there), max(there) + 1)) - there
        if missing:
            return f"lacks {len(missing)} versions, the first [{epoch}, {min(missing)}]"
    if max(versions, default=(0, 0)) < newest:
        return f"lacks version {list(newest)}"
    return None


_LEFT = "nothing is left behind (C15)"


async def _versions(node: Node, symbol: str, since: int) -> list[Version]:
    found: list[Version] = []
    cursor = ""
    for _ in range(PAGES):
        query = f"from={iso_utc(since)}&limit=5000{cursor}"
        page = _read(await node.get(f"/api/v1/ticks/{quote(symbol, safe='')}?{query}"), _Ticks)
        found += (tick.version for tick in page.ticks)
        if page.next_cursor is None:
            break
        cursor = f"&cursor={quote(page.next_cursor, safe='')}"
    return found


async def _overview(node: Node) -> _Overview:
    return _read(await node.get("/admin/api/overview"), _Overview)


def _read(answer: httpx.Response, kind: type[K]) -> K:
    try:
        if answer.is_success:
            return from_json(answer.content, kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{answer.url.path} is not understood: {error}") from error
    raise Unreachable(f"{answer.url.path} answered {answer.status_code}")
