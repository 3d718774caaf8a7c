"""What must hold of a cluster once nothing is wrong with it any more."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import trio

from tests.support.database import psql
from tests.support.nodes import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cluster_check.faults import Faults
    from tests.support.cluster_check.witness import Book, Version
    from tests.support.nodes import Node, Nodes

COUNTED_SECONDS = 4.5
EQUAL_SECONDS = 15.0
RECORDED_SECONDS = 60.0
SHOWN = 5
JITTER = 0.1


async def one_fetches(nodes: Nodes, interval: float) -> list[str]:
    """The upstream is asked once an interval, as it counts itself."""
    await trio.to_thread.run_sync(_forget_requests, nodes)
    begin = trio.current_time()
    await trio.sleep(COUNTED_SECONDS)
    asked, passed = nodes.requests(), trio.current_time() - begin
    least, most = passed / (interval * (1 + JITTER)) - 2, passed / (interval * (1 - JITTER)) + 1
    if least <= asked <= most:
        return []
    return [f"the upstream was asked {asked} times in {passed:.1f} s"]


async def tables_are_equal(nodes: Nodes) -> list[str]:
    """All nodes show the same versions and prices, at a moment between two fetches."""
    tables: list[dict[str, Any]] = []

    def equal() -> bool:
        with ThreadPoolExecutor() as pool:  # at one moment, as far as can be
            tables[:] = pool.map(_quotes, nodes)
        return all(table == tables[0] for table in tables)

    try:
        await until(equal, EQUAL_SECONDS)
    except AssertionError:
        return [
            f"{node.name} and {other.name} differ in {len(differing)}: "
            f"{[(symbol, table[symbol], another.get(symbol)) for symbol in differing[:SHOWN]]}"
            for node, table in zip(nodes, tables, strict=True)
            for other, another in zip(nodes, tables, strict=True)
            if node.name < other.name
            and (differing := sorted(s for s, quote in table.items() if another.get(s) != quote))
        ]
    return []


async def presence_adds_up(nodes: Nodes, clients: int) -> list[str]:
    """Each node tells the clients of all."""
    told: dict[str, int] = {}

    def adds_up() -> bool:
        told.update({node.name: sum(_connections(node).values()) for node in nodes})
        return set(told.values()) == {clients}

    try:
        await until(adds_up, EQUAL_SECONDS)
    except AssertionError:
        return [f"there are {clients} clients, and the nodes tell {told}"]
    return []


async def history_is_whole(url: str, book: Book, faults: Faults) -> list[str]:
    """Each version is stored once, and what clients saw is there, at the price that they saw."""

    def kept() -> dict[tuple[str, Version], float]:
        rows = list(book.prices.items())
        return {key: price for key, (price, at) in rows if not faults.may_lose(at)}

    with suppress(AssertionError):  # after a few faults nothing that had to be kept has come yet
        await until(lambda: bool(kept()), EQUAL_SECONDS)
    # All of it in threads: it takes seconds, in which the clients of this process have to read.
    seen = await trio.to_thread.run_sync(kept)
    found: list[str] = []

    def stored() -> bool:
        rows = json.loads(psql(url, _ticks_of(book.sample)) or "null") or []
        known = {(symbol, (epoch, seq)): price for symbol, epoch, seq, price in rows}
        missing = sorted(key for key in seen if key not in known)
        wrong = sorted(key for key, price in seen.items() if known.get(key, price) != price)
        found[:] = []
        if missing:
            found.append(f"{len(missing)} of {len(seen)} are not stored: {missing[:SHOWN]}")
        if wrong:
            found.append(f"{len(wrong)} are stored at another price: {wrong[:SHOWN]}")
        return not found

    with suppress(AssertionError):  # `found` says what
        await until(stored, RECORDED_SECONDS)
    twice = await trio.to_thread.run_sync(
        psql,
        url,
        "SELECT symbol, epoch, seq, count(*) FROM ticks GROUP BY 1, 2, 3 HAVING count(*) > 1 "
        f"LIMIT {SHOWN}",
    )
    if twice:
        found.append(f"stored twice: {twice}")
    if not seen:
        found.append("nothing was seen that has to be stored: nothing was checked")
    return found


def _forget_requests(nodes: Nodes) -> None:
    """The journal keeps the last requests only: it may be full, and count no more."""
    httpx.delete(f"{nodes.stub.url}/__admin/requests", timeout=20).raise_for_status()


def _ticks_of(symbols: frozenset[str]) -> str:
    names = ", ".join(f"'{symbol}'" for symbol in sorted(symbols))
    return (
        "SELECT json_agg(json_build_array(symbol, epoch, seq, price)) FROM ticks "
        f"WHERE symbol IN ({names})"
    )


def _quotes(node: Node) -> dict[str, tuple[object, float]]:
    answer = httpx.get(f"{node.url}/api/v1/quotes", timeout=20)
    answer.raise_for_status()
    return {q["symbol"]: (tuple(q["version"]), q["price"]) for q in answer.json()["quotes"]}


def _connections(node: Node) -> Mapping[str, int]:
    answer = httpx.get(f"{node.url}/api/v1/presence", timeout=20)
    answer.raise_for_status()
    return {each["node"]: each["connections"] for each in answer.json()["nodes"]}
