"""What is asked of a price API, and what it answers: as the server asks, by the same client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.market.body_items import UnparseableBody
from stockstream.market.parser import Parsed, parse
from stockstream.market.providers.base import ProviderBody, ProviderError
from stockstream.market.providers.fetcher import Fetcher
from stockstream.market.providers.http import endpoint, with_symbols
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.quotes import Symbol
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.market.providers.fetcher import HttpSettings

NAMED = 2
"""So many symbols are asked for by name."""
AT_ONCE = 3
UNKNOWN = Symbol("NO.SUCH.SYMBOL")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer, or why there is none. `at` is our clock when it was there, in ms since 1970."""

    at: int
    seconds: float
    parsed: Parsed | None = None
    error: ProviderError | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    size: int = 0


@dataclass(slots=True)
class Asked:
    """All answers: of the whole list one after the other, and then of the rest."""

    whole: list[Fetched] = field(default_factory=list)
    names: tuple[Symbol, ...] = ()
    named: Fetched | None = None
    unknown: Fetched | None = None
    at_once: list[Fetched] = field(default_factory=list)


class Asking:
    """Asks one API at `url`. Its owner calls `aclose`."""

    def __init__(self, url: str, settings: HttpSettings) -> None:
        """Raises `InvalidProviderUrl` and `InvalidProxy` as `HttpProvider` does."""
        self._settings = settings
        self._url = endpoint(url)
        self._secrets = KnownSecrets(self._url)
        self._fetcher = Fetcher(self._url, settings, self._secrets, now_ms)

    async def ask(self, seconds: float, interval: float, say: Callable[[str], None]) -> Asked:
        """Ask for the whole list for so long, and then what is asked once."""
        asked = Asked()
        end = trio.current_time() + seconds
        while True:
            due = trio.current_time() + interval
            last = await self._fetch(self._url)
            asked.whole.append(last)
            found = f"{len(last.parsed.observations):,} symbols" if last.parsed else last.error
            say(f"{len(asked.whole)}: {found}, {last.seconds * 1000:.0f} ms")
            if last.error is not None and last.error.retry_after is not None:
                due = trio.current_time() + max(interval, last.error.retry_after)
            if due > end:
                break
            await trio.sleep_until(due)
        asked.names = _names(asked.whole)
        if asked.names:
            asked.named = await self._fetch(with_symbols(self._url, frozenset(asked.names)))
            asked.unknown = await self._fetch(with_symbols(self._url, frozenset({UNKNOWN})))
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(self._beside, asked.at_once)
        return asked

    async def aclose(self) -> None:
        """Give back connections."""
        await self._fetcher.aclose()

    async def _beside(self, found: list[Fetched]) -> None:
        found.append(await self._fetch(self._url))

    async def _fetch(self, url: httpx.URL) -> Fetched:
        began = trio.current_time()
        try:
            answer = await self._fetcher.get(url)
        except ProviderError as error:
            return Fetched(now_ms(), trio.current_time() - began, error=error)
        at, seconds = now_ms(), trio.current_time() - began
        headers, size = answer.headers, len(answer.body)
        try:
            parsed = parse(answer.body, headers.get("content-type"), self._settings.limits)
        except UnparseableBody as error:
            message = self._secrets.masked(str(error))
            wrong = ProviderBody(
                f"body_{error.fault}", message, said=self._fetcher.said(answer.body)
            )
            return Fetched(at, seconds, None, wrong, headers, size)
        return Fetched(at, seconds, parsed, None, headers, size)


def _names(whole: list[Fetched]) -> tuple[Symbol, ...]:
    """The first symbols of the last list that had any."""
    for fetched in reversed(whole):
        if fetched.parsed is not None and fetched.parsed.observations:
            return tuple(one.symbol for one in fetched.parsed.observations[:NAMED])
    return ()
