"""Fixtures: a badly behaved price API, and a port nobody listens on."""

from __future__ import annotations

import socket

import pytest

from tests.integration.market.rogue import RogueServer


@pytest.fixture
async def rogue(nursery):
    server = RogueServer(nursery)
    await server.start()
    yield server
    server.stop()


@pytest.fixture
def refused_port():
    """A port nobody listens on, held so that nobody else takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
