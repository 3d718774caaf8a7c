"""Random kills beside two hundred clients: what `make chaos` does for longer."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from stockstream import paths
from stockstream.chaos.drill import Drill, watched
from stockstream.chaos.monkey import unleash
from stockstream.chaos.node import Node
from stockstream.chaos.report import ExitCode
from stockstream.chaos.watchers import Watchers
from tests.support.server import TOKEN, running_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

SEED = 7
RATE = 5
SECONDS = float(os.environ.get("MONKEY_SECONDS", "2"))
CLIENTS = 200
SETTINGS = {"CHAOS_ENABLED": "true", "STOCK_API_URL": "sim://?symbols=20&interval=0.25&seed=7"}


async def kills(directory: Path) -> list[str]:
    """Whom the monkey killed on a server of its own, in order; any session is one of them."""
    async with running_server(directory, SETTINGS) as server, Node(server.url, TOKEN) as node:
        drill = Drill(node, Watchers(CLIENTS), "two hundred clients", print, seed=SEED)
        async with watched(drill):
            await drill.settle()
            await unleash([drill], random.Random(SEED), seconds=SECONDS, rate=RATE, deny=[])
    report = drill.report()
    assert report.exit_code == ExitCode.HELD, report.verdicts
    assert report.skipped == []
    assert report.clients is not None
    assert report.clients.count == CLIENTS
    return [
        paths.SESSIONS if strike.target.startswith(f"{paths.SESSIONS}/") else strike.target
        for strike in report.strikes
    ]


@pytest.mark.proves("C12", "C13", "C14")
async def test_every_invariant_holds_and_a_seed_gives_the_same_kills(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Two servers, each with two hundred clients on real sockets, under the same seed."""
    first = await kills(tmp_path_factory.mktemp("first"))
    assert len(first) == SECONDS * RATE
    assert len(set(first)) >= 5
    assert await kills(tmp_path_factory.mktemp("second")) == first
