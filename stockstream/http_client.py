"""The common part of our HTTP clients: for prices, for webhooks, and to open WebSockets."""

from __future__ import annotations

import os
import socket
import ssl
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING

import httpx
import trio

if TYPE_CHECKING:
    from collections.abc import Mapping


# Reading the machine's certificates takes long enough to be noticed at every restart.
@cache
def tls_context(*, verify: bool = True) -> ssl.SSLContext:
    """The TLS context of all our outgoing connections; made once, in 20 to 240 ms."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def open_stream(
    host: str, port: int, *, secure: bool, verify: bool = True
) -> trio.abc.Stream:
    """A connection for a WebSocket, with TLS if it is to be `secure`; the caller closes it.

    A WebSocket gets a stream of its owner: trio-websocket leaves its socket open when the other
    side closed first, or reset it.

    Raises:
        OSError, ValueError: there is none; ValueError for a name that no host can have.
        trio.BrokenResourceError: no TLS, or the connection broke.
    """
    stream = await trio.open_tcp_stream(host, port)
    return await over_tls(stream, host, verify=verify) if secure else stream


async def over_tls(stream: trio.abc.Stream, host: str, *, verify: bool = True) -> trio.abc.Stream:
    """TLS on a connection to `host`, which is closed if there is none.

    Raises `ValueError` and `trio.BrokenResourceError` as `open_stream` does.
    """
    try:
        tls = trio.SSLStream(
            stream, tls_context(verify=verify), server_hostname=host, https_compatible=True
        )
        await tls.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return tls


def host_of(url: str) -> str | None:
    """The host of an address as our clients read it; None for one that they cannot ask."""
    try:
        read = httpx.URL(url)
        host = read.host
        # As the resolver reads it, which takes no empty part of a name, nor a long one.
        read.raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, ValueError):
        return None
    # What no name may hold stands there in percents; in an address of IPv6, its zone does.
    return host if host and ("%" not in host or ":" in host) else None


def root_cause(error: BaseException) -> BaseException:
    """The first cause of an error: trio, httpcore and httpx each wrap the error below."""
    while True:
        if isinstance(error, BaseExceptionGroup):  # one for each address that was tried
            deeper: BaseException | None = error.exceptions[0]
        else:
            deeper = error.__cause__ or error.__context__
        if deeper is None:
            return error
        error = deeper


def os_reason(root: BaseException) -> str | None:
    """The system's text for an error of its own, without the address; None for any other."""
    if isinstance(root, socket.gaierror):
        return root.strerror
    # By its number: trio puts the address into the text.
    return os.strerror(root.errno) if isinstance(root, OSError) and root.errno else None


def tls_reason(root: ssl.SSLError) -> str:
    """Why there is no TLS, in OpenSSL's words."""
    if isinstance(root, ssl.SSLCertVerificationError):
        return root.verify_message
    return (root.reason or str(root)).replace("_", " ").lower()


def parse_date(value: str | None) -> int | None:
    """An HTTP-date in ms since 1970, UTC; None if it cannot be read."""
    if value is None:
        return None
    try:
        return round(parsedate_to_datetime(value).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], *, now: int) -> float | None:
    """Seconds that an answer asks us to wait; a date in it is compared with the answer's own date.

    `now` is our own clock, used if the answer has no date.
    """
    date = parse_date(headers.get("date"))
    return parse_retry_after(headers.get("retry-after"), now=now if date is None else date)


def parse_retry_after(value: str | None, *, now: int) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, 10.2.3), None when it tells nothing.

    `value` is a number of seconds or an HTTP-date; `now` is in milliseconds since 1970, UTC.
    A date that has passed asks for nothing.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # float(), since int() refuses very long texts with an error about something else.
        seconds = float(value)
    else:
        moment = parse_date(value)
        if moment is None:
            return None
        seconds = (moment - now) / 1000
    return seconds if seconds > 0 else None
