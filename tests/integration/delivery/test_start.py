"""From the start of the program to the first price in a client's hands."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stockstream.database.embedded.files import family
from tests.support.client import connected
from tests.support.server import free_port, running_server

if TYPE_CHECKING:
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


async def test_ctrl_c_does_not_reach_the_stub(tmp_path: Path) -> None:
    """A terminal signals its group; that the stub ended was told as a failure, at each Ctrl+C."""
    async with running_server(tmp_path, {"STUB_PORT": str(free_port())}) as server:
        (stub,) = [each for each in family(server.pid)[1:] if b"mockserver" in command_of(each)]
        assert os.getpgid(stub) == stub != os.getpgid(server.pid)
        assert await server.stop(signal.SIGINT) == 0
        assert not is_running(stub)


def command_of(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
