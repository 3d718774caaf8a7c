"""The latest prices by REST, where a provider tells none before the next trade.

Without them a symbol that trades once an hour would show nothing for that hour after each
connection. The feed says which symbols were just subscribed to; one task asks for them, a part at
a time, and again after a pause where that failed. The circuit breaker counts connections only: a
REST server that is away is a trouble of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.http_client import retry_after
from stockstream.market.feeds.allowance import LONGEST_RETRY_AFTER, pause_after
from stockstream.market.providers.body import BodyRefused
from stockstream.market.providers.failures import provider_error
from stockstream.market.providers.fetcher import HttpSettings, new_client, read_body
from stockstream.market.providers.push import Refused, Trouble
from stockstream.proxies import proxy_to
from stockstream.quotes import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stockstream.market.feeds.allowance import Tokens
    from stockstream.market.providers.push import Access, Event, Latest
    from stockstream.quotes import Observation
    from stockstream.statuses import QuoteRow

TIMEOUT_SECONDS = 10.0
GATHER_SECONDS = 0.2
"""Acknowledgements come one by one; they are asked for together."""
LARGEST_BODY = 5_000_000
_ERRORS = 400
_ANY = frozenset({Symbol("ANY")})
"""All are asked for at one server."""


class Fill:
    """See the module. `heard` is told what the answers hold; `failed`, a kind and words, and what
    the provider said. While asking fails, `trouble` is that kind. `calls` are paid out of.
    """

    def __init__(
        self,
        latest: Latest,
        access: Access,
        heard: Callable[[Event], None],
        failed: Callable[[str, str, str | None], None],
        wall: Callable[[], int],
        calls: Tokens,
    ) -> None:
        self._latest = latest
        self._access = access
        self._proxy = proxy_to(httpx.URL(latest.request(access, _ANY).url))
        self._secrets = access.secrets
        self._calls = calls
        self._heard = heard
        self._tell_failed = failed
        self.trouble: str | None = None
        self._wall = wall
        self._rng = random.Random()
        self._wanted: set[Symbol] = set()
        self._wake = trio.Event()

    def renew(self, access: Access) -> None:
        """Ask with this from now on."""
        self._access, self._secrets = access, access.secrets

    def want(self, symbols: frozenset[Symbol]) -> None:
        """These were just subscribed to."""
        self._wanted |= symbols
        self._wake.set()

    def forget(self, symbols: frozenset[Symbol]) -> None:
        """The connection of these is gone; the next one says what it has."""
        self._wanted -= symbols
        if not self._wanted:
            self.trouble = None

    async def run(self) -> None:
        """Ask for what is wanted, for ever."""
        failures = 0
        settings = HttpSettings(
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            total_timeout=TIMEOUT_SECONDS,
            verify_tls=self._access.verify_tls,
        )
        async with new_client(settings, self._proxy) as server:
            while True:
                while not self._wanted:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    await trio.sleep(GATHER_SECONDS)
                await trio.sleep(self._calls.wait(trio.current_time()))
                some = frozenset(sorted(self._wanted)[: self._latest.symbols])
                pause = await self._ask(server, some)
                if pause is None:
                    failures, self.trouble = 0, None
                    self._wanted -= some
                else:
                    failures += 1
                    await trio.sleep(max(pause, pause_after(failures, self._rng)))

    async def _ask(self, server: httpx.AsyncClient, symbols: frozenset[Symbol]) -> float | None:
        """Ask once; None, or how long the provider wants to be left alone after a failure."""
        if not symbols:
            return None
        endpoint = self._latest.request(self._access, symbols)
        self._calls.take(trio.current_time())
        try:
            with trio.fail_after(TIMEOUT_SECONDS):
                async with server.stream("GET", endpoint.url, headers=endpoint.headers) as answer:
                    body = await read_body(answer, LARGEST_BODY)
        except BodyRefused as refused:
            why = str(refused)
            if refused.kind == "body_too_large":
                why = f"the answer is over {LARGEST_BODY} bytes"
            self._failed(f"latest_{refused.kind}", f"the latest prices: {why}")
            return 0.0
        except httpx.HTTPError as error:
            found = provider_error(error, self._proxy)
            said = None if found.said is None else self._secrets.masked(found.said)
            self._failed(f"latest_{found.kind}", f"the latest prices: {found}", said)
            return 0.0
        except trio.TooSlowError:
            self._failed("latest_timeout", "the latest prices: no whole answer in time")
            return 0.0
        troubled: Trouble | None = None
        body = self._secrets.masked_bytes(body)
        events = self._latest.read(symbols, answer.status_code, body, self._wall()).events
        for event in events:
            if isinstance(event, Trouble):
                troubled = event
            else:
                if isinstance(event, Refused):
                    self._wanted.discard(event.symbol)
                self._heard(event)
        if troubled is not None:
            words = f"the latest prices: {troubled.detail}"
            self._failed(f"latest_{troubled.kind}", words, troubled.said)
            asked = retry_after(answer.headers, now=self._wall()) or 0.0
            return max(troubled.retry_after or 0.0, min(asked, LONGEST_RETRY_AFTER))
        if answer.status_code >= _ERRORS and not events:
            status = answer.status_code
            self._failed(f"latest_status_{status}", f"the latest prices: status {status}")
            return 0.0
        return None

    def _failed(self, kind: str, reason: str, said: str | None = None) -> None:
        self.trouble = kind
        self._tell_failed(kind, reason, said)


class Lacking:
    """Symbols of which the latest price is asked for again, since their day has just begun: only by
    REST the previous close is told. Each is asked for once a day.
    """

    def __init__(self) -> None:
        self._asked: dict[Symbol, int] = {}

    def look(
        self, symbols: Iterable[Symbol], rows: Mapping[Symbol, QuoteRow], upstream: str
    ) -> frozenset[Symbol]:
        """Those of these that `upstream` tells, without a previous close."""
        found: list[Symbol] = []
        for symbol in symbols:
            row = rows.get(symbol)
            if row is None or row.day is None or row.quote.previous_close is not None:
                continue
            day = row.day.day.start
            if row.source == upstream and self._asked.get(symbol) != day:
                self._asked[symbol] = day
                found.append(symbol)
        return frozenset(found)


def is_news(seen: Observation, rows: Mapping[Symbol, QuoteRow]) -> bool:
    """Whether nothing as new is known of its symbol."""
    row = rows.get(seen.symbol)
    return row is None or seen.timestamp > row.quote.timestamp
