"""How a socket to a provider gets there: TLS, and proxies that the environment names."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from stockstream.http_client import tls_context
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.fill import Fill
from stockstream.market.feeds.push_socket import Ended, push_socket
from stockstream.market.providers import InvalidProxy
from stockstream.market.providers.chosen import push_provider
from stockstream.market.providers.finnhub import FINNHUB
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.market.providers.push import Access, Bucket, Endpoint
from stockstream.quotes import Symbol
from stockstream.upstreams import Upstream
from tests.integration.market.rogue import RogueServer, answer
from tests.support.selfsigned import server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

NOTHING = KnownSecrets()
FAR = "provider.example"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def fresh_trust() -> Iterator[None]:
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


async def provider(nursery: trio.Nursery, context: ssl.SSLContext | None = None) -> int:
    """The port of a server that says hello and then what it hears."""

    async def talk(request: WebSocketRequest) -> None:
        try:
            socket = await request.accept()
            await socket.send_message("hello")
            await socket.send_message(await socket.get_message())
        except ConnectionClosed:
            pass  # it has heard enough

    serve = partial(serve_websocket, talk, "127.0.0.1", 0, ssl_context=context)
    return int((await nursery.start(serve)).port)


class Proxy:
    """Connects whoever asks to one port of this machine, or answers otherwise."""

    def __init__(self, to: int, answer: bytes = b"200 Connection established") -> None:
        self.to = to
        self.answer = answer
        self.heads: list[str] = []

    async def serve(self, near: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await near.receive_some()
        self.heads.append(head.decode())
        await near.send_all(b"HTTP/1.1 " + self.answer + b"\r\n\r\n")
        if not self.answer.startswith(b"200"):
            await near.aclose()
            return
        far = await trio.open_tcp_stream("127.0.0.1", self.to)
        try:
            async with near, far, trio.open_nursery() as both:
                both.start_soon(self._pass_on, near, far, both.cancel_scope)
                both.start_soon(self._pass_on, far, near, both.cancel_scope)
        except* trio.BrokenResourceError:
            pass  # one of them has gone

    async def _pass_on(
        self, from_: trio.SocketStream, to: trio.SocketStream, over: trio.CancelScope
    ) -> None:
        while piece := await from_.receive_some():
            await to.send_all(piece)
        over.cancel()


async def proxy_of(nursery: trio.Nursery, proxy: Proxy) -> str:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
    return f"127.0.0.1:{listener.socket.getsockname()[1]}"


async def hear(url: str, *, verify_tls: bool = True) -> list[str | bytes]:
    """What is heard over a socket to `url`, and told back."""
    heard: list[str | bytes] = []
    with trio.fail_after(10):
        async with push_socket(Endpoint(url), NOTHING, verify_tls=verify_tls) as socket:
            await socket.send("us")
            while len(heard) < 2:
                heard += await socket.receive()
    return heard


async def refused(url: str) -> Ended:
    with pytest.raises(Ended) as ended:
        await hear(url)
    return ended.value


async def test_a_certificate_is_verified_unless_that_is_switched_off(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_trust: None
) -> None:
    """By `HTTP_VERIFY_TLS`, as for what is polled; what mends it is said."""
    port = await provider(nursery, server_context(tmp_path, address="127.0.0.1"))
    url = f"wss://127.0.0.1:{port}/v2"
    end = await refused(url)
    assert end.kind == "tls_failed"
    assert "SSL_CERT_FILE names a file of CAs to trust" in str(end)
    assert await hear(url, verify_tls=False) == ["hello", "us"]
    tls_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert await hear(url) == ["hello", "us"]


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_socket_goes_by_the_proxy_of_its_scheme(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """With a login, by a tunnel; the name of the server is left to the proxy."""
    context = server_context(tmp_path, address="127.0.0.1") if scheme == "wss" else None
    proxy = Proxy(await provider(nursery, context))
    variable = "HTTPS_PROXY" if scheme == "wss" else "HTTP_PROXY"
    monkeypatch.setenv(variable, f"http://me:hunter%322@{await proxy_of(nursery, proxy)}")
    heard = await hear(f"{scheme}://{FAR}/v2?token=our-key", verify_tls=False)
    assert heard == ["hello", "us"]
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {FAR}:{443 if scheme == 'wss' else 80} HTTP/1.1\r\n")
    login = base64.b64encode(b"me:hunter22").decode()
    assert f"proxy-authorization: basic {login.lower()}" in head.lower()
    assert "our-key" not in head


async def test_the_latest_prices_go_by_the_proxy_too(
    rogue: RogueServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what is polled does; without TLS in one request."""
    monkeypatch.setenv("http_proxy", rogue.url)
    rogue.always(answer(b'{"c": 261.74, "t": 1582641000}'))
    told: list[object] = []
    came = trio.Event()

    def hear_it(*event: object) -> None:
        told.append(event)
        came.set()

    latest = FINNHUB.latest
    assert latest is not None
    tokens = Tokens(Bucket(1, 1), None, trio.current_time())
    access = Access(f"ws://{FAR}/finnhub", key="our-key")
    fill = Fill(latest, access, hear_it, hear_it, lambda: 5_000, tokens)
    with trio.fail_after(5):
        async with trio.open_nursery() as filling:
            filling.start_soon(fill.run)
            fill.want(frozenset({Symbol("AAPL")}))
            await came.wait()
            filling.cancel_scope.cancel()
    assert "261.74" in repr(told)
    assert rogue.requests[0].startswith(f"GET http://{FAR}/finnhub/api/v1/quote?symbol=AAPL ")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (
            b"403 Forbidden",
            "proxy_refused",
            "the proxy that ALL_PROXY names answered 403 Forbidden",
        ),
        (b"407 No", "proxy_refused", "the proxy wants a login: ALL_PROXY=http://name:password@"),
        (b"nonsense", "proxy_refused", "the proxy that ALL_PROXY names refused"),
    ],
)
async def test_a_proxy_that_refuses_is_told_from_the_provider(
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    status: bytes,
    kind: str,
    words: str,
) -> None:
    """And is no wrong key."""
    monkeypatch.setenv("ALL_PROXY", await proxy_of(nursery, Proxy(0, status)))
    end = await refused(f"wss://{FAR}/")
    assert end.kind == kind
    assert words in str(end)
    assert not end.fatal


async def test_a_proxy_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, refused_port: int
) -> None:
    """By the variable, never by its address."""
    monkeypatch.setenv("https_proxy", f"http://me:hunter2@127.0.0.1:{refused_port}")
    end = await refused(f"wss://{FAR}/")
    assert str(end) == "no connection by the proxy that https_proxy names: Connection refused"


def test_a_proxy_that_cannot_be_used_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found before anything connects; our own machine needs none."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(InvalidProxy, match=r"ALL_PROXY: a proxy of socks5:// cannot be used"):
        push_provider(Upstream("crypto", "kraken://"))
    assert push_provider(Upstream("crypto", "kraken://?url=ws://127.0.0.1:9/")) is not None
