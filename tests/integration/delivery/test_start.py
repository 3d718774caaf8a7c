"""From the start of the program to the first price in a client's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.client import connected
from tests.support.server import free_port, running_server

if TYPE_CHECKING:
    from pathlib import Path

    import trio


@pytest.mark.parametrize("source", ["the bundled stub API", "a simulated market"])
async def test_the_first_price_comes_by_itself_after_the_start(
    source: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """With everything that is started: the stub API as well; bench/first_price.py says how soon."""
    settings = {"STUB_PORT": str(free_port())} if "stub" in source else None
    async with (
        running_server(tmp_path, settings or None) as server,
        connected(server.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL"])
        await me.wait_for(lambda: "AAPL" in me.prices)
        assert (await server.get("/health/ready")).status_code == 200
