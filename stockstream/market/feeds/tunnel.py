"""A connection through a proxy of HTTP: it is asked to connect, and passes on all that follows."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import h11
import trio

from stockstream.http_client import open_stream

if TYPE_CHECKING:
    from stockstream.proxies import ChosenProxy

_PIECE_BYTES = 4_096
_GOOD = range(200, 300)


class TunnelRefused(Exception):
    """The proxy does not connect. The message is the status of its answer and its words for it."""


async def tunnel(proxy: ChosenProxy, host: str, port: int) -> trio.abc.Stream:
    """A stream to `host`, which the caller closes.

    Raises:
        TunnelRefused: the proxy answered so.
        OSError, ValueError, trio.BrokenResourceError: it is not there, or is none.
    """
    secure = proxy.url.scheme == "https"
    stream = await open_stream(
        proxy.url.host, proxy.url.port or (443 if secure else 80), secure=secure
    )
    try:
        await _connect(stream, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def _connect(stream: trio.abc.Stream, proxy: ChosenProxy, server: str) -> None:
    headers = [("Host", server)]
    if proxy.url.username:
        login = f"{proxy.url.username}:{proxy.url.password}".encode()
        headers.append(("Proxy-Authorization", f"Basic {base64.b64encode(login).decode()}"))
    asked = h11.Connection(h11.CLIENT)
    request = h11.Request(method="CONNECT", target=server, headers=headers)
    await stream.send_all(asked.send(request) + asked.send(h11.EndOfMessage()))
    try:
        while True:
            answer = asked.next_event()
            if isinstance(answer, h11.Response):
                break
            if answer is h11.NEED_DATA:
                asked.receive_data(bytes(await stream.receive_some(_PIECE_BYTES)))
    except h11.RemoteProtocolError:
        raise TunnelRefused("the answer is not HTTP") from None
    if answer.status_code not in _GOOD:
        raise TunnelRefused(f"{answer.status_code} {answer.reason.decode('latin-1')}")
