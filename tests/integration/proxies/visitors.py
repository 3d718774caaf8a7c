"""Somebody who comes to a proxy over TLS, from this machine or from elsewhere."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.client import Client, connected
from tests.support.proxies import NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from tests.support.proxies import Proxy

HERE = "127.0.0.1"


def any_certificate() -> ssl.SSLContext:
    """A context for one that nobody vouches for: what is tested is the way, not the trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Visitor:
    """A browser, as far as a server sees one: cookies, and the origin of a page of the proxy's."""

    def __init__(self, proxy: Proxy, address: str, client: httpx.AsyncClient) -> None:
        self.proxy = proxy
        self._address = address
        self._client = client

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the proxy, by the name it has outside."""
        headers = {"Host": self.proxy.authority, **options.pop("headers", {})}
        if method != "GET":
            headers["Origin"] = self.proxy.url
        sni = {"sni_hostname": NAME}
        return await self._client.request(method, path, headers=headers, extensions=sni, **options)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open an address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("GET", path, headers=named)

    @asynccontextmanager
    async def socket(self, nursery: trio.Nursery, path: str = "/ws") -> AsyncIterator[Client]:
        """Open the WebSocket, as the dashboard does."""
        url = self.proxy.url.replace("https", "wss") + path
        origin = [("Origin", self.proxy.url)]
        tls = any_certificate()
        async with connected(url, nursery, origin, tls=tls, at=self._address) as client:
            yield client


@asynccontextmanager
async def visitor(proxy: Proxy, address: str = HERE) -> AsyncIterator[Visitor]:
    """Somebody who comes from `address`, one of this machine's."""
    async with httpx.AsyncClient(
        base_url=f"https://{address}:{proxy.port}", verify=any_certificate(), timeout=20
    ) as client:
        yield Visitor(proxy, address, client)
