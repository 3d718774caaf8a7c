"""Prices by ``GET {base}/api/stock-prices`` over one pooled client."""

from __future__ import annotations

import ipaddress
import math
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.http_client import (
    parse_date,
    retry_after,
    root_cause,
    tls_context,
)
from stockstream.market.parser import Parsed, UnparseableBody, parse
from stockstream.market.providers.base import (
    InvalidProviderUrl,
    ProviderBody,
    ProviderDown,
    ProviderError,
    ProviderStatus,
    ProviderTimeout,
    SymbolsNotFound,
)
from stockstream.market.providers.body import BodyReader, BodyRefused
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet

    from stockstream.quotes import Symbol

PATH = "/api/stock-prices"
# Many servers refuse a request line over 4 or 8 KiB. Who wants more symbols than fit gets the
# whole list in one request rather than parts in many.
_LONGEST_SYMBOLS_PARAMETER = 2000
# Closing waits for TLS farewells of peers that may be gone.
_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to talk to the price API. Times in seconds, sizes in bytes.

    ``read_timeout`` is the longest pause between two pieces of an answer, ``total_timeout`` the
    longest time for all of it, connecting included; ``max_body`` holds packed and unpacked.
    """

    pool_size: int = 10
    connect_timeout: float = 2.0
    read_timeout: float = 3.0
    total_timeout: float = 5.0
    verify_tls: bool = True
    max_body: int = 5_000_000

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "read_timeout", "total_timeout"):
            seconds: float = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be above 0 seconds, not {seconds}")
        for name in ("pool_size", "max_body"):
            count: int = getattr(self, name)
            if count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")


class HttpProvider:
    """A `Provider` over HTTP. Redirects are not followed: the operator named this address."""

    interval: float | None = None

    def __init__(
        self,
        url: str,
        settings: HttpSettings | None = None,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Raise `InvalidProviderUrl` when `url` is none of ``http://host…`` or ``https://host…``."""
        self._settings = settings or HttpSettings()
        self._url = _endpoint(url)
        self._clock = clock
        self._client = _client(self._url, self._settings)
        port = f":{self._url.port}" if self._url.port is not None else ""
        self.name = f"{self._url.scheme}://{self._url.host}{port}"
        self.has_own_clock = not _is_loopback(self._url.host)

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """See `Provider.fetch`. An empty set is answered without asking anybody."""
        if symbols is not None and not symbols:
            return Parsed(())
        try:
            with trio.fail_after(self._settings.total_timeout):
                response, body = await self._get(symbols)
        except trio.TooSlowError:
            raise ProviderTimeout(
                "timeout_total", f"no complete answer within {self._settings.total_timeout:g} s"
            ) from None
        try:
            parsed = parse(body, response.headers.get("content-type"))
        except UnparseableBody as error:
            raise ProviderBody(f"body_{error.fault}", str(error)) from None
        if symbols is not None and not parsed.observations and not parsed.rejects.total:
            raise SymbolsNotFound("none of the named symbols is in the answer")
        return replace(parsed, date=parse_date(response.headers.get("date")))

    async def aclose(self) -> None:
        """See `Provider.aclose`. Runs to its end within a second, also in a cancelled scope."""
        with trio.move_on_after(_CLOSING_SECONDS, shield=True):
            await self._client.aclose()

    async def _get(self, symbols: AbstractSet[Symbol] | None) -> tuple[httpx.Response, bytes]:
        named = _symbols_parameter(symbols)
        url = self._url if named is None else self._url.copy_add_param("symbols", named)
        try:
            request = self._client.stream("GET", url)
            async with request as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refused(response, asked_for_some=named is not None)
                return response, await self._read(response)
        except httpx.HTTPError as error:
            raise _as_provider_error(error) from error

    async def _read(self, response: httpx.Response) -> bytes:
        chunks = response.aiter_raw()
        try:
            reader = BodyReader(
                self._settings.max_body,
                encoding=response.headers.get("content-encoding"),
                announced=response.headers.get("content-length"),
            )
            async for chunk in chunks:
                reader.feed(chunk)
            return reader.finish()
        except BodyRefused as error:
            await _abandon(response, chunks)
            raise ProviderBody(error.kind, str(error)) from None
        except httpx.RemoteProtocolError as error:
            raise ProviderBody("body_truncated", f"the body ended early: {error}") from None

    def _refused(self, response: httpx.Response, *, asked_for_some: bool) -> ProviderError:
        status = response.status_code
        message = f"status {status} {response.reason_phrase}".rstrip()
        if response.is_redirect:
            message += "; redirects are not followed"
        if status == httpx.codes.NOT_FOUND and asked_for_some:
            return SymbolsNotFound(message)
        asked = None
        if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            asked = retry_after(response.headers, now=self._clock())
        return ProviderStatus(status, message, retry_after=asked)


async def _abandon(response: httpx.Response, chunks: AsyncIterator[bytes]) -> None:
    """Give up on the rest of a body. Once the connection is closed the next read fails, and that
    unwinds the generators that httpx nests in each other; closing the outer one would leave the
    inner ones to the garbage collector.
    """
    await response.aclose()
    with suppress(httpx.HTTPError, httpx.StreamError):
        async for _ in chunks:
            pass


def _endpoint(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidProviderUrl(f"not a URL: {error}") from None
    if base.scheme not in {"http", "https"} or not base.host:
        raise InvalidProviderUrl("an address of a price API looks like http://localhost:1080")
    # A query stays: it is where some price APIs want their key.
    return base.copy_with(path=base.path.rstrip("/") + PATH, fragment=None)


def _client(url: httpx.URL, settings: HttpSettings) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=tls_context(verify=settings.verify_tls),
        # A proxy named in the environment is for the world outside, never for our own machine.
        trust_env=not _is_loopback(url.host),
        follow_redirects=False,
        limits=httpx.Limits(
            max_connections=settings.pool_size, max_keepalive_connections=settings.pool_size
        ),
        timeout=httpx.Timeout(
            settings.read_timeout,
            connect=settings.connect_timeout,
            pool=settings.total_timeout,
        ),
        # Only what `BodyReader` can unpack within a limit.
        headers={"accept": "application/json", "accept-encoding": "gzip"},
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _symbols_parameter(symbols: AbstractSet[Symbol] | None) -> str | None:
    if symbols is None:
        return None
    named = ",".join(sorted(symbols))
    return named if len(named) <= _LONGEST_SYMBOLS_PARAMETER else None


def _as_provider_error(error: httpx.HTTPError) -> ProviderError:
    text = str(error) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return ProviderTimeout("timeout_connect", "no connection in time")
        case httpx.TimeoutException():
            return ProviderTimeout("timeout_read", "the answer stopped coming")
        case httpx.ConnectError():
            kind = "tls_failed" if isinstance(root_cause(error), ssl.SSLError) else "connect_failed"
            return ProviderDown(kind, f"no connection: {text}")
        case httpx.NetworkError():
            # The text of what is raised here only says again that it broke.
            root = root_cause(error)
            why = (root.strerror if isinstance(root, OSError) else None) or text
            return ProviderDown("connection_reset", f"the connection broke: {why}")
        case _:
            return ProviderDown("protocol_error", f"the answer is not HTTP: {text}")
