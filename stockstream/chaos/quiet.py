"""Quiet times: a market whose prices do not change sends nothing, and no client is starved.

A price that did not change is not sent again, so a waiting client cannot know the reason. The drill
asks the node: if the node has fetched since, and the client has all the node's prices, then the
time was quiet. It was not quiet if a fetch was missing, or a price was not delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec
import trio

from stockstream.chaos.node import Unreachable
from stockstream.decoding import from_json

if TYPE_CHECKING:
    import httpx

    from stockstream.chaos.node import Node
    from stockstream.chaos.watchers import Watchers

K = TypeVar("K")

SHORTEST_LOOK_SECONDS = 0.25
SYMBOLS = 3
"""Also read one by one: that answer comes from the fetched quotes, the answer for all from those
that the broadcaster delivered."""


class _Price(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class _All(msgspec.Struct, frozen=True):
    as_of: str | None
    quotes: list[_Price]


class _One(msgspec.Struct, frozen=True):
    quote: _Price


async def watch_quiet(node: Node, watchers: Watchers) -> None:
    """Check twice an interval whether waiting clients have all prices; until cancelled."""
    while True:
        await trio.sleep(max(SHORTEST_LOOK_SECONDS, watchers.interval / 2))
        if watchers.anybody_waits:
            await note_quiet(node, watchers)


async def note_quiet(node: Node, watchers: Watchers) -> None:
    """Note with each client that has all the node's prices that it had them at the last fetch."""
    try:
        told = _read(await node.get("/api/v1/quotes"), _All)
        prices = {each.symbol: each.price for each in told.quotes}
        for symbol in sorted(prices)[:SYMBOLS]:
            one = _read(await node.get(f"/api/v1/quotes/{quote(symbol, safe='')}"), _One)
            if one.quote.price != prices[symbol]:
                return
    except (Unreachable, msgspec.MsgspecError):
        return  # a node that does not answer has told nobody that all is well
    if told.as_of is not None:
        watchers.note_quiet(told.as_of, prices)


def _read(answer: httpx.Response, kind: type[K]) -> K:
    if not answer.is_success:
        raise Unreachable(f"{answer.url.path} answered {answer.status_code}")
    return from_json(answer.content, kind)
