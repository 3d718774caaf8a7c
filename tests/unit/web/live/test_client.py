"""What a connection says of its client. Virtual time."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio

from web.live.client import Client
from web.server import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock


class Silent:
    """A client whose messages never come."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Wire(ours, None, progress_timeout=30.0)


async def test_who_is_not_listened_to_is_not_silent(
    wire: Wire, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A client that must read answers first has its pongs unread behind its next messages."""
    client = Client(1, Silent(wire), "127.0.0.1", lambda _number: True)  # type: ignore[arg-type]
    came = trio.current_time()
    nursery.start_soon(client._wait_until_drained)  # as `serve` does then
    await trio.sleep(40)
    assert client.last_received == trio.current_time()
    client.drained()
    await trio.sleep(5)
    assert client.last_received == came + 40
