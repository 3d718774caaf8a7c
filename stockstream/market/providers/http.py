"""Prices by ``GET {base}/api/stock-prices`` over one pooled client."""

from __future__ import annotations

import ipaddress
import math
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.http_client import parse_date, retry_after, tls_context
from stockstream.market.body_items import Limits, UnparseableBody
from stockstream.market.parser import Parsed, parse
from stockstream.market.providers.base import (
    InvalidProviderUrl,
    ProviderBody,
    ProviderError,
    ProviderStatus,
    ProviderTimeout,
    SymbolsNotFound,
)
from stockstream.market.providers.body import BodyReader, BodyRefused
from stockstream.market.providers.failures import (
    provider_error,
    said_status,
    wants_login,
)
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.market.providers.proxies import choose_proxy
from stockstream.market.providers.server_message import LONGEST_BODY, server_message
from stockstream.market.shown import shown
from stockstream.masks import without_secrets
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet

    from stockstream.market.providers.proxies import ChosenProxy
    from stockstream.quotes import Symbol

PATH = "/api/stock-prices"
# Many servers refuse a request line over 4 or 8 KiB. Who wants more symbols than fit gets the
# whole list in one request rather than parts in many.
_LONGEST_SYMBOLS_PARAMETER = 2000
# What a server says for people comes at once or is not waited for: the status is known already.
_MESSAGE_SECONDS = 1.0
_LONGEST_MESSAGE = 300
# Closing waits for TLS farewells of peers that may be gone.
_CLOSING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to talk to the price API. Times in seconds, sizes in bytes.

    ``read_timeout`` is the longest pause between two pieces of an answer, ``total_timeout`` the
    longest time for all of it, connecting included; ``max_body`` holds packed and unpacked.
    ``limits`` say how much of a body is read.
    """

    pool_size: int = 10
    connect_timeout: float = 2.0
    read_timeout: float = 3.0
    total_timeout: float = 5.0
    verify_tls: bool = True
    max_body: int = 5_000_000
    limits: Limits = field(default_factory=Limits)

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
        """Raises:
        InvalidProviderUrl: `url` is none of ``http://host…`` or ``https://host…``.
        InvalidProxy: the environment names a proxy for it that cannot be used.
        """
        self._settings = settings or HttpSettings()
        self._url = _endpoint(url)
        self._clock = clock
        self.has_own_clock = not _is_loopback(self._url.host)
        # A proxy named in the environment is for the world outside, never for our own machine.
        self._proxy = choose_proxy(self._url, os.environ) if self.has_own_clock else None
        self._client = _client(self._settings, self._proxy)
        self._secrets = KnownSecrets(self._url)
        self.address = without_secrets(str(self._url))

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
            parsed = parse(body, response.headers.get("content-type"), self._settings.limits)
        except UnparseableBody as error:
            message, said = self._secrets.masked(str(error)), self._said(body)
            raise ProviderBody(f"body_{error.fault}", message, said=said) from None
        if not parsed.observations:
            if symbols is not None and not parsed.rejects.total:
                raise SymbolsNotFound("none of the named symbols is in the answer")
            parsed = replace(parsed, said=self._said(body))
        masked = self._secrets.masked
        rejects = replace(
            parsed.rejects,
            samples={kind: masked(text) for kind, text in parsed.rejects.samples.items()},
            symbols={
                symbol: reject._replace(detail=masked(reject.detail))
                for symbol, reject in parsed.rejects.symbols.items()
            },
        )
        return replace(parsed, rejects=rejects, date=parse_date(response.headers.get("date")))

    async def aclose(self) -> None:
        """See `Provider.aclose`. Runs to its end within a second, also in a cancelled scope."""
        with trio.move_on_after(_CLOSING_SECONDS, shield=True):
            await self._client.aclose()

    async def _get(self, symbols: AbstractSet[Symbol] | None) -> tuple[httpx.Response, bytes]:
        named = _symbols_parameter(symbols)
        url = self._url if named is None else self._url.copy_add_param("symbols", named)
        try:
            async with self._answer(url) as response:
                if response.status_code != httpx.codes.OK:
                    raise await self._refused(response, asked_for_some=named is not None)
                return response, await self._read(response, self._settings.max_body)
        except BodyRefused as error:
            raise ProviderBody(error.kind, str(error)) from None
        except httpx.HTTPError as error:
            raise provider_error(error, self._proxy) from error

    @asynccontextmanager
    async def _answer(self, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        """The answer up to its body. What was sent over a kept connection is sent once more when
        that ends without an answer: the server closed it just when we asked (RFC 9112, 9.3.1).
        """
        request = self._client.build_request("GET", url)
        opened = _Opened()
        request.extensions["trace"] = opened
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if opened.connection:
                raise
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, longest: int) -> bytes:
        chunks = response.aiter_raw()
        try:
            reader = BodyReader(
                longest,
                encoding=response.headers.get("content-encoding"),
                announced=response.headers.get("content-length"),
            )
            async for chunk in chunks:
                reader.feed(chunk)
            return reader.finish()
        except BodyRefused:
            await _abandon(response, chunks)
            raise
        except httpx.RemoteProtocolError as error:
            raise BodyRefused("body_truncated", f"the body ended early: {error}") from None

    async def _refused(self, response: httpx.Response, *, asked_for_some: bool) -> ProviderError:
        status = response.status_code
        message = f"status {said_status(status)}"
        said = await self._said_with(response) or self._shown(response.reason_phrase)
        if response.has_redirect_location:
            message += "; redirects are not followed"
            said = self._shown(f"location: {without_secrets(response.headers['location'])}")
        elif status == httpx.codes.NOT_MODIFIED:
            message += "; it was not asked whether anything had changed"
        elif status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            message += f"; {wants_login(self._proxy)}"
        if status == httpx.codes.NOT_FOUND and asked_for_some:
            return SymbolsNotFound(message, said=said)
        asked = None
        if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            asked = retry_after(response.headers, now=self._clock())
        return ProviderStatus(status, message, retry_after=asked, said=said)

    async def _said_with(self, response: httpx.Response) -> str | None:
        """What stands in the body of an answer that refuses, if that comes in time."""
        # Before the time for the whole fetch is over, which would say less than the status.
        left = trio.current_effective_deadline() - trio.current_time()
        with (
            trio.move_on_after(min(_MESSAGE_SECONDS, left / 2)),
            suppress(BodyRefused, httpx.HTTPError),
        ):
            return self._said(await self._read(response, LONGEST_BODY), refused=True)
        return None

    def _said(self, body: bytes, *, refused: bool = False) -> str | None:
        """The server's own message, as logs hold it."""
        return self._shown(server_message(body, refused=refused))

    def _shown(self, theirs: str | None) -> str | None:
        return shown(self._secrets.masked(theirs or ""), _LONGEST_MESSAGE) or None


class _Opened:
    """Follows a request (httpcore's extension ``trace``): whether it opened a connection."""

    def __init__(self) -> None:
        self.connection = False

    async def __call__(self, event: str, _info: object) -> None:
        if event.endswith("connect_tcp.started"):
            self.connection = True


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


def _client(settings: HttpSettings, proxy: ChosenProxy | None) -> httpx.AsyncClient:
    through = None
    if proxy is not None:
        # Its own certificate is verified, whatever is said of the API's.
        context = tls_context() if proxy.url.scheme == "https" else None
        through = httpx.Proxy(proxy.url, ssl_context=context)
    return httpx.AsyncClient(
        verify=tls_context(verify=settings.verify_tls),
        proxy=through,
        trust_env=False,
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
