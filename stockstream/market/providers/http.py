"""Prices by ``GET {base}/api/stock-prices`` over one pooled client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from stockstream.http_client import host_of, parse_date
from stockstream.market.body_items import UnparseableBody
from stockstream.market.parser import Parsed, parse
from stockstream.market.providers.base import (
    InvalidProviderUrl,
    ProviderBody,
    SymbolsNotFound,
    Terms,
)
from stockstream.market.providers.fetcher import Fetcher, HttpSettings
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.masks import without_secrets
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from stockstream.quotes import Symbol
    from stockstream.statuses import BodySample

PATH = "/api/stock-prices"
# Many servers refuse a request line over 4 or 8 KiB. Who wants more symbols than fit gets the
# whole list in one request rather than parts in many.
_LONGEST_SYMBOLS_PARAMETER = 2000


class HttpProvider:
    """A `Provider` of the format that `docs/feeds.md` describes."""

    interval: float | None = None
    terms = Terms()

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
        self._url = endpoint(url)
        self._secrets = KnownSecrets(self._url)
        self._fetcher = Fetcher(self._url, self._settings, self._secrets, clock)
        self.has_own_clock = self._fetcher.is_elsewhere
        self.address = without_secrets(str(self._url))

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """See `Provider.fetch`. An empty set is answered without asking anybody."""
        if symbols is not None and not symbols:
            return Parsed(())
        named = _symbols_parameter(symbols)
        url = self._url if named is None else self._url.copy_add_param("symbols", named)
        unknown = () if named is None else (httpx.codes.NOT_FOUND,)
        answer = await self._fetcher.get(url, unknown=unknown)
        said = self._fetcher.said
        try:
            sent_as = answer.headers.get("content-type")
            parsed = parse(answer.body, sent_as, self._settings.limits)
        except UnparseableBody as error:
            message = self._secrets.masked(str(error))
            raise ProviderBody(f"body_{error.fault}", message, said=said(answer.body)) from None
        if not parsed.observations:
            if symbols is not None and not parsed.rejects.total:
                raise SymbolsNotFound("none of the named symbols is in the answer")
            parsed = replace(parsed, said=said(answer.body))
        rejects = parsed.rejects.masked(self._secrets.masked)
        return replace(parsed, rejects=rejects, date=parse_date(answer.headers.get("date")))

    @property
    def sample(self) -> BodySample | None:
        """See `Sampled`."""
        return self._fetcher.sample

    async def aclose(self) -> None:
        """See `Provider.aclose`."""
        await self._fetcher.aclose()


def endpoint(url: str) -> httpx.URL:
    """What is asked of an API at this base address. Raises `InvalidProviderUrl`."""
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidProviderUrl(f"not a URL: {error}") from None
    if base.scheme not in {"http", "https"} or host_of(url) is None:
        raise InvalidProviderUrl("an address of a price API looks like http://localhost:1080")
    # A query stays: it is where some price APIs want their key.
    return base.copy_with(path=base.path.rstrip("/") + PATH, fragment=None)


def with_symbols(url: httpx.URL, symbols: AbstractSet[Symbol]) -> httpx.URL:
    """The same for some symbols, or for all where their names are too long for an address."""
    named = _symbols_parameter(symbols)
    return url if named is None else url.copy_add_param("symbols", named)


def _symbols_parameter(symbols: AbstractSet[Symbol] | None) -> str | None:
    if symbols is None:
        return None
    named = ",".join(sorted(symbols))
    return named if len(named) <= _LONGEST_SYMBOLS_PARAMETER else None
