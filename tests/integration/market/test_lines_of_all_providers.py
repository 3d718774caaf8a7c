"""A line to each provider that pushes, over real sockets, to the stub that plays their tapes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from mockserver.server import serve
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.line import Line
from stockstream.market.providers.push import Access, Prices
from stockstream.market.providers.push_registry import PUSH_PROVIDERS
from stockstream.quotes import parse_symbol
from stockstream.times import now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.market.providers.push import Event, PushProvider
    from stockstream.quotes import Symbol


async def until_told(provider: PushProvider, url: str, lines: trio.Nursery) -> Line:
    """A line that has all symbols that the provider begins with, and prices of two of them."""
    told: set[Symbol] = set()
    enough = trio.Event()

    def heard(_line: Line, event: Event) -> None:
        if isinstance(event, Prices):
            told.update(one.symbol for one in event.observations)
        if len(told) > 1:
            enough.set()

    access = Access(
        f"{url.replace('http', 'ws')}/__streams/{provider.scheme}",
        key="our-key" if provider.needs_key else None,
        secret="our-secret" if provider.needs_secret else None,
    )
    messages = Tokens(provider.limits.messages, None, trio.current_time())
    line = Line(provider, access, messages, heard, now_ms)
    line.want(frozenset(map(parse_symbol, provider.starters)))
    lines.start_soon(line.run)
    await line.answered.wait()
    await line.settled.wait()
    await enough.wait()
    return line


@pytest.mark.parametrize(("code", "kind"), [(1001, "closed_1001"), (1006, "cut")])
async def test_each_tells_prices_until_it_is_ended(
    tmp_path: Path, nursery: trio.Nursery, code: int, kind: str
) -> None:
    """By a close frame, or without one; what ended it is said, and is no wrong key."""
    url: str = await nursery.start(partial(serve, "127.0.0.1", 0, tmp_path))
    lines: dict[str, Line] = {}

    async def begin(provider: PushProvider) -> None:
        lines[provider.scheme] = await until_told(provider, url, nursery)

    with trio.fail_after(30):
        async with trio.open_nursery() as beginning:
            for provider in PUSH_PROVIDERS.values():
                beginning.start_soon(begin, provider)
        async with httpx.AsyncClient(base_url=url) as stub:
            for scheme, line in lines.items():
                assert line.end is None
                assert line.subscribed == set(map(parse_symbol, PUSH_PROVIDERS[scheme].starters))
                await stub.post(f"/__admin/streams/{scheme}/cut", json={"code": code})
                await line.leaving.wait()
                assert line.end is not None
                assert (scheme, line.end.kind, line.end.fatal) == (scheme, kind, False)
    assert len(lines) == len(PUSH_PROVIDERS)
