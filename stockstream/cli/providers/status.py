"""`stockstream providers`: how each upstream of a running server stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from stockstream.cli.printing import print_document, table_console
from stockstream.cli.where import HERE, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

TROUBLE = 4


class _Feed(msgspec.Struct):
    state: str
    reason: str | None = None


class _Circuit(msgspec.Struct):
    state: str


class _Breaker(msgspec.Struct):
    status: _Circuit | None = None


class _Symbols(msgspec.Struct):
    told: int


class _Push(msgspec.Struct):
    phase: str
    symbols: int
    refused: dict[str, str]
    ends: dict[str, int]
    reason: str | None = None


class Upstream(msgspec.Struct):
    """Of the admin API's document what is shown here."""

    name: str
    feed: _Feed
    breaker: _Breaker
    symbols: _Symbols | None = None
    push: _Push | None = None


class Route(msgspec.Struct):
    """Who tells the symbols of a pattern now."""

    symbols: str
    providers: list[str]
    now: str


class _Overview(msgspec.Struct):
    schema_version: int
    upstreams: list[Upstream]
    routes: list[Route]


def status(*, where: Where = HERE) -> int:
    """Show how each provider of a running server stands, and which symbols it tells.

    Exit codes: 0 all is well, 1 no answer, 2 usage or settings, 4 a provider is away.
    """
    document = where.client().get("/admin/api/overview", _Overview)
    if where.as_json:
        print_document(document)
    else:
        show(table_console(), document.upstreams, document.routes)
    return 0 if all(one.feed.state == "live" for one in document.upstreams) else TROUBLE


def show(console: Console, upstreams: Sequence[Upstream], routes: Sequence[Route]) -> None:
    """Print both as people read them."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for head in ("provider", "state", "how", "symbols", "breaker", "what is wrong"):
        table.add_column(head, overflow="fold")
    for one in upstreams:
        told = 0 if one.symbols is None else one.symbols.told
        breaker = "" if one.breaker.status is None else one.breaker.status.state
        how = "polled" if one.push is None else one.push.phase
        table.add_row(one.name, one.feed.state, how, str(told), breaker, _wrong(one))
    console.print(table)
    if not routes:
        return
    console.print()
    table = Table(box=None, pad_edge=False, show_edge=False)
    for head in ("symbols", "come from", "in this order"):
        table.add_column(head)
    for route in routes:
        table.add_row(route.symbols, route.now, ", ".join(route.providers))
    console.print(table)


def _wrong(one: Upstream) -> str:
    parts = [] if one.feed.reason is None else [one.feed.reason]
    if one.push is not None:
        if one.push.refused:
            some = sorted(one.push.refused)
            more = f" and {len(some) - 3} more" if len(some) > 3 else ""
            parts.append(f"refused: {', '.join(some[:3])}{more}")
        if one.push.ends:
            ends = ", ".join(f"{kind} {count}" for kind, count in sorted(one.push.ends.items()))
            parts.append(f"connections ended: {ends}")
    return "; ".join(parts)
