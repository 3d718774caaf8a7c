"""A real NATS server for each test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.cluster.nats_server import NatsServer, run_nats_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    """A server of its own."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(run_nats_server, "token")
        nursery.cancel_scope.cancel()
