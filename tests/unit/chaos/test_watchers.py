"""When a watching client has a fresh price: the first one after a moment, and in time."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import trio

from stockstream.chaos.watchers import Watcher, Watchers
from stockstream.quotes import iso_utc

_versions = itertools.count(1)


def price(watcher: Watcher, price: float = 150.0) -> None:
    """A price arrives now."""
    quote = {"symbol": "AAPL", "version": [1, next(_versions)], "price": price}
    watcher._take({"type": "prices", "prices": [quote]})


def welcome(watcher: Watcher) -> None:
    """The server's clock says 1970 at trio's 0."""
    now = iso_utc(round(trio.current_time() * 1000))
    watcher._take({"type": "welcome", "server_time": now})


def last_fetch(seconds_ago: float) -> str:
    """What the node tells of it."""
    return iso_utc(round((trio.current_time() - seconds_ago) * 1000))


@pytest.mark.proves("C14")
async def test_the_first_price_counts_though_others_followed(
    autojump_clock: trio.abc.Clock,
) -> None:
    """Who asks late is told of the first, not of the newest."""
    watcher, moment = Watcher(0), trio.current_time()
    for _ in range(5):
        await trio.sleep(0.2)
        price(watcher)
    assert await watcher.fresh_after(moment, 0.5) == pytest.approx(0.2)


@pytest.mark.proves("C14")
async def test_a_price_beyond_the_limit_is_late_whenever_it_is_asked_for(
    autojump_clock: trio.abc.Clock,
) -> None:
    """It is there when the question comes, and it was late all the same."""
    watcher, moment = Watcher(0), trio.current_time()
    await trio.sleep(1.5)
    price(watcher)
    assert await watcher.fresh_after(moment, 1.25) is None
    assert await watcher.fresh_after(moment, 2.0) == pytest.approx(1.5)


async def test_one_is_waited_for_until_the_limit(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    watcher, moment = Watcher(0), trio.current_time()
    assert await watcher.fresh_after(moment, 1.0) is None
    assert trio.current_time() - moment == pytest.approx(1.0)

    async def soon() -> None:
        await trio.sleep(0.4)
        price(watcher)

    nursery.start_soon(soon)
    assert await watcher.fresh_after(trio.current_time(), 1.0) == pytest.approx(0.4)
    assert watcher.longest_gap == 0.0


@pytest.mark.proves("C10", "C14")
async def test_who_has_all_there_is_waits_for_nothing(autojump_clock: trio.abc.Clock) -> None:
    """The prices stand still: a fetch that brought nothing new counts like a price."""
    watcher = Watcher(0)
    welcome(watcher)
    price(watcher)
    began = trio.current_time()
    for _ in range(10):
        await trio.sleep(1)
        watcher.note_quiet(last_fetch(0.1), {"AAPL": 150.0})
    price(watcher, 151.0)
    assert watcher.longest_gap == pytest.approx(1.0)
    assert await watcher.fresh_after(began + 3, 1.25) == pytest.approx(0.9)


@pytest.mark.proves("C10", "C14")
async def test_who_lacks_a_price_or_a_fetch_waits(autojump_clock: trio.abc.Clock) -> None:
    """The node has another price, or a symbol more, or has not fetched since, or its clock was
    set forward meanwhile.
    """
    watcher = Watcher(0)
    welcome(watcher)
    price(watcher)
    await trio.sleep(5)
    watcher.note_quiet(last_fetch(0.1), {"AAPL": 151.0})
    watcher.note_quiet(last_fetch(0.1), {"AAPL": 150.0, "MSFT": 312.0})
    watcher.note_quiet(last_fetch(5.1), {"AAPL": 150.0})
    watcher.note_quiet(last_fetch(-3600), {"AAPL": 150.0})
    assert watcher.waits
    assert watcher.gaps == []
    price(watcher)
    assert watcher.longest_gap == pytest.approx(5.0)


@pytest.mark.parametrize("status", [b"403 Forbidden", b"503 Service Unavailable"])
async def test_a_client_that_is_refused_says_so_and_ends_no_other(
    nursery: trio.Nursery, status: bytes
) -> None:
    """The library raises in a task of its own; a server that is full ended the whole command."""
    shown: list[bytes] = []

    async def refuse(stream: trio.SocketStream) -> None:
        shown.append(await stream.receive_some())
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await stream.aclose()

    serve = partial(trio.serve_tcp, refuse, 0, host="127.0.0.1")
    listeners = await nursery.start(serve)
    port = listeners[0].socket.getsockname()[1]
    watchers = Watchers(2)
    with trio.fail_after(5):
        await watchers.run(f"ws://127.0.0.1:{port}/ws", {"Authorization": "Bearer word"})
    assert all(b"\r\nAuthorization: Bearer word\r\n" in request for request in shown)
    for watcher in watchers.all:
        assert watcher.disconnected is not None
        assert status[:3].decode() in watcher.disconnected
    nursery.cancel_scope.cancel()
