"""A page whose server is gone for good goes on with another node of the cluster."""

from __future__ import annotations

import json
import signal
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import FAST
from tests.browser.waiting import until
from tests.support.nodes import public_nodes

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import WebSocket

    from tests.browser.conftest import Visit


class Heard:
    """What the sockets of a page were told: hosts in their order, and versions that only rise."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.versions: dict[str, list[int]] = {}

    def listen(self, socket: WebSocket) -> None:
        """Take a socket that the page opens."""
        host = urlsplit(socket.url).netloc
        socket.on("framereceived", lambda frame: self._take(host, frame))

    def in_touch(self, times: int) -> bool:
        """Whether so many of them were welcomed."""
        return len(self.hosts) >= times

    def _take(self, host: str, frame: str | bytes) -> None:
        message = json.loads(frame)
        if message["type"] == "welcome":
            self.hosts.append(host)
        for quote in message.get("quotes", []) + message.get("prices", []):
            before = self.versions.get(quote["symbol"], [0, 0])
            assert quote["version"] >= before, (host, quote, before)
            self.versions[quote["symbol"]] = quote["version"]


@pytest.mark.proves("N17", "N18", "T21")
def test_prices_go_on_from_another_node(visit: Visit, tmp_path: Path) -> None:
    """The page's own is killed, and later the other one stopped: it is live again by itself, and no
    price goes back.
    """
    with public_nodes(tmp_path, FAST) as (one, two):
        page = visit("about:blank", server_goes_away=True)
        heard = Heard()
        page.page.on("websocket", heard.listen)
        answer = page.page.goto(one.url)
        assert answer is not None
        socket = two.url.replace("http", "ws")
        assert f"connect-src 'self' {socket};" in answer.headers["content-security-policy"]
        page.subscribe("AAPL MSFT")
        page.expect_changes("AAPL", 2)
        for number, (here, end) in enumerate(((one, signal.SIGKILL), (two, signal.SIGTERM)), 2):
            before = dict(heard.versions)
            here.stop(end)
            until(page.page, partial(heard.in_touch, number), heard.hosts.copy)
            page.expect_live()
            page.expect_changes("AAPL", 2)
            assert all(heard.versions[symbol] > version for symbol, version in before.items())
            if here is one:  # where the page goes when the other one is stopped
                here.start()
        hosts = [urlsplit(node.url).netloc for node in (one, two, one)]
        assert heard.hosts == hosts
        page.page.close()
