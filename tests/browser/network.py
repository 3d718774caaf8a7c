"""What a page asks of the network, by the DevTools protocol."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.browser.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import APIResponse, Page, Route


@contextmanager
def late_answer(page: Page, url: str) -> Iterator[None]:
    """The answer to what the page GETs of an address as it is loaded comes at the end of the `with`
    alone, as old as it is then. Waits until the page has asked once more.
    """
    asked = 0
    late: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        nonlocal asked
        if route.request.method != "GET":
            return route.continue_()
        asked += 1
        if asked > 1:
            return route.continue_()
        return late.append((route, route.fetch()))

    page.route(url, hold)
    page.reload()
    until(page, lambda: late != [])
    yield
    route, answer = late[0]
    route.fulfill(response=answer)
    until(page, lambda: asked > 1)


class Network:
    """Requests that went out, WebSockets too, and the bytes that came, with their heads.

    What the browser has kept is not among them. Frames of a WebSocket count with their payload, up
    to the first price: how many come after it until somebody looks is a question of time.
    """

    def __init__(self, page: Page, *, latency_ms: float = 0, bytes_per_second: float = -1) -> None:
        """With `latency_ms` for each request, and no more than so many bytes in a second."""
        self.bytes = 0
        self.priced = False
        self.asked: list[str] = []
        self._urls: dict[str, str] = {}
        self._kept: set[str] = set()
        self._sizes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.requestServedFromCache", lambda told: self._keep(told["requestId"]))
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFinished", self._on_finished)
        session.on("Network.webSocketCreated", lambda told: self.asked.append(told["url"]))
        session.on("Network.webSocketFrameReceived", self._on_frame)
        session.send("Network.enable")
        if latency_ms or bytes_per_second > 0:
            conditions = {
                "offline": False,
                "latency": latency_ms,
                "downloadThroughput": bytes_per_second,
                "uploadThroughput": bytes_per_second,
            }
            session.send("Network.emulateNetworkConditions", conditions)

    def told(self) -> str:
        """What came, the largest first."""
        sizes = sorted(self._sizes.items(), key=lambda item: -item[1])
        lines = [f"{size:7} {self._urls.get(request, request)}" for request, size in sizes]
        return "\n".join([f"{self.bytes:7} bytes, {len(self.asked)} requests", *lines, *self.asked])

    def _on_request(self, told: dict[str, Any]) -> None:
        url = told["request"]["url"]
        if url.startswith("http"):
            self._urls[told["requestId"]] = url
            self.asked.append(url)

    def _on_response(self, told: dict[str, Any]) -> None:
        if told["response"].get("fromDiskCache"):
            self._keep(told["requestId"])

    def _keep(self, request: str) -> None:
        url = self._urls.get(request)
        if url is not None and request not in self._kept:
            self._kept.add(request)
            self.asked.remove(url)

    def _on_finished(self, told: dict[str, Any]) -> None:
        if told["requestId"] in self._urls and told["requestId"] not in self._kept:
            self._sizes[told["requestId"]] = int(told["encodedDataLength"])
            self.bytes += int(told["encodedDataLength"])

    def _on_frame(self, told: dict[str, Any]) -> None:
        payload = told["response"]["payloadData"]
        if not self.priced:
            self.bytes += len(payload)
        self.priced |= '"price":' in payload
