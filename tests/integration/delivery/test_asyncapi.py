"""What a running server really sends is what `docs/asyncapi.yaml` describes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from stockstream.delivery.protocol import ServerMessage
from tests.support.asyncapi import faults, payload_schema
from tests.support.client import connected
from tests.support.server import running_server

if TYPE_CHECKING:
    from pathlib import Path

    import trio


async def test_every_kind_of_message_fits_its_description(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Each kind there is comes at least once."""
    async with running_server(tmp_path) as server, connected(server.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols=["AAPL", "!!", "NOPE"], id=1)
        await me.send(action="ping", id="p")
        await me.send(action="ping")
        await me.send(action="buy", id=2.5)
        await me.message("prices", 3)
        await me.message("error")
        assert await server.stop(signal.SIGTERM) == 0
        await me.wait_closed()
        for message in me.messages:
            assert faults(message, payload_schema(message["type"])) == [], message
        # An alert needs rules, and they a database: tests/integration/alerts checks that one. What
        # is not served needs a provider that is asked by name: tests/integration/market does. And a
        # login that ends, an account: tests/integration/users.
        others = {"alert", "alerts_changed", "not_served", "expiring"}
        kinds = {struct.__struct_config__.tag for struct in ServerMessage.__args__} - others
        assert {message["type"] for message in me.messages} == kinds
