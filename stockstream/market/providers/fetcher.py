"""One GET over a pooled client: within limits, every failure a `ProviderError` in our words.

Redirects are not followed: the operator named the address.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream import spans
from stockstream.http_client import retry_after, tls_context
from stockstream.market.body_items import Limits
from stockstream.market.providers.base import (
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
from stockstream.market.providers.server_message import LONGEST_BODY, server_message
from stockstream.market.shown import shown
from stockstream.masks import without_secrets
from stockstream.proxies import is_loopback, proxy_to, through
from stockstream.statuses import BodySample
from stockstream.times import Moment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from stockstream.market.providers.known_secrets import KnownSecrets
    from stockstream.proxies import ChosenProxy

# What a server says for people comes at once or is not waited for: the status is known already.
_MESSAGE_SECONDS = 1.0
_LONGEST_MESSAGE = 300
_LONGEST_SAMPLE = 2_000
_DEFAULT_PORTS = {"http": 80, "https": 443}
ACCEPT = MappingProxyType({"accept": "application/json", "accept-encoding": "gzip"})
"""Only what `BodyReader` can unpack within a limit."""
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


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that can be used: of status 200 with its whole body, or of status 304."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def unchanged(self) -> bool:
        """Whether it says that what we have is still so."""
        return self.status == httpx.codes.NOT_MODIFIED


class Fetcher:
    """Asks one server. `secrets` are masked in all that it says."""

    def __init__(
        self,
        server: httpx.URL,
        settings: HttpSettings,
        secrets: KnownSecrets,
        clock: Callable[[], int],
    ) -> None:
        """Raises `InvalidProxy` where the environment names one that cannot be used."""
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        self.is_elsewhere = not is_loopback(server.host)
        self._proxy = proxy_to(server)
        self._client = new_client(settings, self._proxy)
        self.sample: BodySample | None = None
        """The begin of the last answer, for whoever runs this."""

    async def get(
        self,
        url: httpx.URL,
        headers: Mapping[str, str] | None = None,
        *,
        unknown: Collection[int] = (),
        may_be_unchanged: bool = False,
    ) -> Answer:
        """Ask once. A status in `unknown` is about the symbols that were asked for; a 304 is an
        answer where it `may_be_unchanged`. Raises `ProviderError`.
        """
        values = self._told_of(url) if spans.current() else None
        with spans.child("GET", "client", values) as span:
            return await self._get(span, url, headers, unknown, may_be_unchanged=may_be_unchanged)

    async def _get(
        self,
        span: spans.Span,
        url: httpx.URL,
        headers: Mapping[str, str] | None,
        unknown: Collection[int],
        *,
        may_be_unchanged: bool,
    ) -> Answer:
        try:
            with trio.fail_after(self._settings.total_timeout):
                async with self._answer(url, headers, span) as response:
                    status = response.status_code
                    span.note("http.response.status_code", status)
                    if may_be_unchanged and status == httpx.codes.NOT_MODIFIED:
                        return Answer(status, response.headers, b"")
                    if status != httpx.codes.OK:
                        raise await self._refused(response, unknown=unknown)
                    body = await read_body(response, self._settings.max_body)
                    self._keep(response, body)
                    return Answer(status, response.headers, body)
        except trio.TooSlowError:
            raise ProviderTimeout(
                "timeout_total", f"no complete answer within {self._settings.total_timeout:g} s"
            ) from None
        except BodyRefused as error:
            raise ProviderBody(error.kind, str(error)) from None
        except httpx.HTTPError as error:
            raise provider_error(error, self._proxy) from error

    def said(self, body: bytes, *, refused: bool = False) -> str | None:
        """The server's own message, as logs hold it."""
        return self.shown(server_message(body, refused=refused))

    def shown(self, theirs: str | None) -> str | None:
        """Words of the server, as logs hold them."""
        return shown(self._secrets.masked(theirs or ""), _LONGEST_MESSAGE) or None

    def _keep(self, response: httpx.Response, body: bytes) -> None:
        # Masked before it is cut: half of a key would not be found.
        text = self._secrets.masked(body[: 2 * _LONGEST_SAMPLE].decode(errors="replace"))
        sent_as = self._secrets.masked(response.headers.get("content-type", ""))
        self.sample = BodySample(
            Moment.now(), response.status_code, len(body), sent_as[:100], text[:_LONGEST_SAMPLE]
        )

    def _told_of(self, url: httpx.URL) -> dict[str, spans.Value]:
        """What is told of a request to whoever collects traces: no key."""
        return {
            "http.request.method": "GET",
            "server.address": url.host,
            "server.port": url.port or _DEFAULT_PORTS[url.scheme],
            "url.full": self._secrets.masked(without_secrets(str(url))),
        }

    async def aclose(self) -> None:
        """Give back connections. Runs to its end within a second, also in a cancelled scope."""
        with trio.move_on_after(_CLOSING_SECONDS, shield=True):
            await self._client.aclose()

    @asynccontextmanager
    async def _answer(
        self, url: httpx.URL, headers: Mapping[str, str] | None, span: spans.Span
    ) -> AsyncIterator[httpx.Response]:
        """The answer up to its body. What was sent over a kept connection is sent once more when
        that ends without an answer: the server closed it just when we asked (RFC 9112, 9.3.1).
        """
        headers = {**(headers or {}), **spans.traceparent_headers()}
        request = self._client.build_request("GET", url, headers=headers)
        opened = _Opened()
        request.extensions["trace"] = opened
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if opened.connection:
                raise
            span.note("http.request.resend_count", 1)
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _refused(
        self, response: httpx.Response, *, unknown: Collection[int]
    ) -> ProviderError:
        status = response.status_code
        message = f"status {said_status(status)}"
        said = await self._said_with(response) or self.shown(response.reason_phrase)
        if response.has_redirect_location:
            message += "; redirects are not followed"
            said = self.shown(f"location: {without_secrets(response.headers['location'])}")
        elif status == httpx.codes.NOT_MODIFIED:
            message += "; it was not asked whether anything had changed"
        elif status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            message += f"; {wants_login(self._proxy)}"
        if status in unknown:
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
            body = await read_body(response, LONGEST_BODY)
            self._keep(response, body)
            return self.said(body, refused=True)
        return None


async def read_body(response: httpx.Response, longest: int) -> bytes:
    """The body of an answer that was asked for with `ACCEPT`, of at most `longest` bytes.

    Raises `BodyRefused`, and `httpx.HTTPError` where the connection breaks.
    """
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


def new_client(settings: HttpSettings, proxy: ChosenProxy | None) -> httpx.AsyncClient:
    """A pool of connections to the server of a provider, by way of `proxy`."""
    return httpx.AsyncClient(
        verify=tls_context(verify=settings.verify_tls),
        proxy=through(proxy),
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
        headers=ACCEPT,
    )
