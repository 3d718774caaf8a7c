"""Prices of a JSON API, by its declaration, over one pooled client."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.http_client import parse_date
from stockstream.market.parser import Parsed
from stockstream.market.providers.base import (
    ProviderError,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
)
from stockstream.market.providers.fetcher import Fetcher, HttpSettings
from stockstream.market.providers.json_api.reading import (
    RATE_LIMITED_SECONDS,
    REFUSALS,
    read_answer,
)
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from stockstream.market.providers.fetcher import Answer
    from stockstream.market.providers.json_api.api import JsonApi
    from stockstream.quotes import Symbol
    from stockstream.statuses import BodySample

MOST_KEPT = 256
"""Answers that are kept for a 304, of so many addresses."""
_LONGEST_TAG = 256


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and what to ask with whether there is a newer one."""

    parsed: Parsed
    etag: str | None
    modified: str | None

    def headers(self) -> dict[str, str]:
        asked = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in asked.items() if value is not None}


class JsonProvider:
    """A `Provider` by a declaration."""

    interval: float | None = None

    def __init__(
        self,
        api: JsonApi,
        settings: HttpSettings | None = None,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Raises `InvalidProxy` where the environment names one that cannot be used."""
        self._api = api
        self._settings = settings or HttpSettings()
        self._clock = clock
        server = httpx.URL(api.server)
        self._secrets = KnownSecrets(server, api.secrets)
        self._fetcher = Fetcher(server, self._settings, self._secrets, clock)
        self._headers = api.headers()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.terms = api.terms
        self.has_own_clock = self._fetcher.is_elsewhere
        self.address = api.address

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """See `Provider.fetch`. An answer that nothing has changed tells the same once more."""
        if symbols is not None and not symbols:
            await trio.lowlevel.checkpoint()
            return Parsed(())
        api = self._api
        by_name = api.terms.at_once is not None
        asked = None
        if by_name:
            written = ((api.written(one), one) for one in sorted(symbols or ()))
            asked = {name: one for name, one in written if name is not None}
            if not asked:
                await trio.lowlevel.checkpoint()
                raise SymbolsNotFound(f"{api.name} has no symbols that are written so")
        url = api.url_for(asked or ())
        kept = self._kept.get(str(url))
        headers = self._headers | ({} if kept is None else kept.headers())
        try:
            answer = await self._fetcher.get(
                url,
                headers,
                unknown=frozenset(api.said.symbols.unknown if by_name else ()),
                may_be_unchanged=kept is not None,
            )
            date = parse_date(answer.headers.get("date"))
            if answer.unchanged and kept is not None:
                return replace(kept.parsed, date=date)
            parsed = self._read(answer, asked)
        except ProviderStatus as error:
            if error.status in REFUSALS and not isinstance(error, ProviderRefused):
                why = f"{error}: the key, or what it allows, was refused"
                raise ProviderRefused(error.status, why, said=error.said) from None
            if error.status == httpx.codes.TOO_MANY_REQUESTS and error.retry_after is None:
                error.retry_after = RATE_LIMITED_SECONDS
            raise
        parsed = replace(parsed, date=date)
        if parsed.observations:
            self._keep(str(url), answer, parsed)
        return parsed

    @property
    def sample(self) -> BodySample | None:
        """See `Sampled`."""
        return self._fetcher.sample

    async def aclose(self) -> None:
        """See `Provider.aclose`."""
        await self._fetcher.aclose()

    def _read(self, answer: Answer, asked: dict[str, Symbol] | None) -> Parsed:
        sent_as, body = answer.headers.get("content-type"), self._secrets.masked_bytes(answer.body)
        try:
            parsed = read_answer(
                self._api, body, sent_as, asked, self._clock(), self._settings.limits
            )
        except ProviderError as error:
            error.said = self._fetcher.said(answer.body, refused=True)
            raise
        if parsed.observations:
            return parsed
        return replace(parsed, said=self._fetcher.said(answer.body))

    def _keep(self, url: str, answer: Answer, parsed: Parsed) -> None:
        etag, modified = (_sendable(answer.headers.get(n)) for n in ("etag", "last-modified"))
        self._kept.pop(url, None)
        if etag is None and modified is None:
            return
        self._kept[url] = _Kept(parsed, etag, modified)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _sendable(told: str | None) -> str | None:
    """What a header told, where we can say it back in one of ours."""
    return told if told and len(told) <= _LONGEST_TAG and told.isascii() else None
