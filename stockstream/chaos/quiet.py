"""Times when there was nothing to tell: a market whose prices stand still starves nobody.

A price that did not change is not sent again, so a client that waits cannot know why. Who watches
it asks the node: when it has fetched since, and a client has all prices that the node has, then it
waits for nothing. A fetch that did not come, or a price that was not handed on, is no quiet.
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
"""Read one by one too: that answer comes from what was fetched, the one for all from what the
broadcaster handed on."""


class _Price(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class _All(msgspec.Struct, frozen=True):
    as_of: str | None
    quotes: list[_Price]


class _One(msgspec.Struct, frozen=True):
    quote: _Price


async def watch_quiet(node: Node, watchers: Watchers) -> None:
    """Look twice an interval whether those that wait have all there is; until cancelled."""
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
