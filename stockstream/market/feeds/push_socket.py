"""A socket to a provider that pushes, from its address to its end; what ends it, in our words."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import trio

from stockstream.error_groups import first_of
from stockstream.http_client import (
    open_stream,
    os_reason,
    over_tls,
    parse_retry_after,
    root_cause,
)
from stockstream.market.feeds.tunnel import TunnelRefused, tunnel
from stockstream.market.feeds.web_socket import Disconnected, NotUpgraded, WebSocket, upgraded
from stockstream.market.feeds.web_socket_frames import TOO_LARGE, BadFrame
from stockstream.market.providers.failures import no_tls, refused_by, said_status
from stockstream.market.shown import shown
from stockstream.proxies import proxy_to
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.market.providers.known_secrets import KnownSecrets
    from stockstream.market.providers.push import Endpoint, Trouble

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 0.5
LARGEST_FRAME = 8 * 2**20
"""A larger one ends the connection; the codec leaves out what is too large to be read sooner."""
_LONGEST_SAID = 200
_FATAL = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}


class Ended(Exception):
    """A connection ended, or never came about.

    `kind` is a short stable word for counting; the message is in our words, fit for anybody, and
    `said` what the provider said, for whoever runs this. After a `fatal` end another attempt would
    end the same way. `retry_after` is how many seconds it asked to be left alone; a provider that
    `lingers` still holds the connection before this one.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        fatal: bool = False,
        retry_after: float | None = None,
        said: str | None = None,
        lingers: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.fatal = fatal
        self.retry_after = retry_after
        self.said = said
        self.lingers = lingers

    @classmethod
    def by(cls, trouble: Trouble) -> Ended:
        """The end that follows of what a codec was told."""
        return cls(
            trouble.kind,
            trouble.detail,
            fatal=trouble.fatal,
            retry_after=trouble.retry_after,
            said=trouble.said,
            lingers=trouble.lingers,
        )


@asynccontextmanager
async def push_socket(
    endpoint: Endpoint, secrets: KnownSecrets, *, verify_tls: bool = True
) -> AsyncIterator[WebSocket]:
    """An open connection for the time of a `with`. What the server says is told without `secrets`.

    It goes by the proxy that the environment names for it, if any.

    Raises:
        Ended: it could not be made, or what is done inside met its end.
    """
    with trio.CancelScope(deadline=trio.current_time() + CONNECT_SECONDS) as limit:
        stream = await _stream(endpoint, verify_tls=verify_tls)
    if limit.cancelled_caught:
        raise Ended("timeout_connect", f"no connection within {CONNECT_SECONDS:g} s")
    try:
        with trio.CancelScope(deadline=limit.deadline) as limit:
            socket = await _greeted(endpoint, stream, secrets)
        if limit.cancelled_caught:
            raise Ended("timeout_connect", f"no answer within {CONNECT_SECONDS:g} s")
        try:
            yield socket
        except BaseExceptionGroup as group:
            ended = group.subgroup(Ended)
            if ended is not None:
                raise first_of(ended) from None
            raise
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await socket.say_goodbye()
    finally:
        await trio.aclose_forcefully(stream)


async def _stream(endpoint: Endpoint, *, verify_tls: bool) -> trio.abc.Stream:
    parts = urlsplit(endpoint.url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    proxy = proxy_to(httpx.URL(endpoint.url))
    try:
        if proxy is None:
            return await open_stream(host, port, secure=secure, verify=verify_tls)
        stream = await tunnel(proxy, host, port)
        return await over_tls(stream, host, verify=verify_tls) if secure else stream
    except TunnelRefused as refused:
        why = refused_by(proxy, str(refused))
        raise Ended(why.kind, str(why), said=why.said) from None
    except (OSError, ValueError, trio.BrokenResourceError) as error:
        root = root_cause(error)
        if isinstance(root, ssl.SSLError):
            raise Ended("tls_failed", no_tls(root)) from None
        via = "" if proxy is None else f" by the proxy that {proxy.variable} names"
        why_not = os_reason(root) or type(root).__name__
        raise Ended("connect_failed", f"no connection{via}: {why_not}") from None


async def _greeted(endpoint: Endpoint, stream: trio.abc.Stream, secrets: KnownSecrets) -> WebSocket:
    parts = urlsplit(endpoint.url)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    try:
        return await upgraded(stream, host, resource, endpoint.headers, LARGEST_FRAME)
    except (trio.BrokenResourceError, OSError):
        raise Ended("connection_reset", "the connection broke before it was open") from None
    except NotUpgraded as error:
        raise _refused(error, secrets) from None


def _refused(error: NotUpgraded, secrets: KnownSecrets) -> Ended:
    status, headers = error.status, error.headers
    if status is None:
        return Ended("protocol_error", "the answer is not that of a WebSocket server")
    waits = headers.get(b"retry-after", b"").decode("latin-1") or None
    body = secrets.masked(error.body.decode("utf-8", "replace"))
    return Ended(
        f"status_{status}",
        f"the server answered {said_status(status)}",
        fatal=status in _FATAL,
        retry_after=parse_retry_after(waits, now=now_ms()),
        said=shown(body, _LONGEST_SAID) or None,
    )


def closed(error: Disconnected | BadFrame, secrets: KnownSecrets) -> Ended:
    """How the connection ended. Without a close frame of the other side, it was cut."""
    if isinstance(error, BadFrame):
        kind = "frame_too_large" if error.code == TOO_LARGE else "protocol_error"
        return Ended(kind, f"what came is no WebSocket frame of use: {error}")
    close = error.close
    if close is None:
        return Ended("cut", "the connection was cut")
    said = shown(secrets.masked(close.reason), _LONGEST_SAID) or None
    return Ended(
        f"closed_{close.code}", f"the provider closed the connection ({close.code})", said=said
    )
