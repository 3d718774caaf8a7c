"""The provider that a setting names: found, and its address and key checked before anything starts.

A message names the provider and what is wrong with it; it never repeats an address or a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec

from stockstream.http_client import host_of
from stockstream.market.providers import from_url
from stockstream.market.providers.base import InvalidProviderUrl
from stockstream.market.providers.json_api.api import json_api, open_file
from stockstream.market.providers.json_api.known_apis import KNOWN_APIS
from stockstream.market.providers.json_api.provider import JsonProvider
from stockstream.market.providers.options import given_options
from stockstream.market.providers.push import Access, PushProvider
from stockstream.market.providers.push_registry import PUSH_PROVIDERS
from stockstream.proxies import proxy_to
from stockstream.sources import Source

if TYPE_CHECKING:
    from stockstream.market.providers.base import Provider
    from stockstream.market.providers.fetcher import HttpSettings
    from stockstream.market.providers.json_api.api import JsonApi
    from stockstream.upstreams import Upstream

JSON = "json"
_NUMBER = re.compile("[1-9][0-9]{0,5}")
POLLED = (JSON, "http", "https", "sim")
_URL, _SYMBOLS, _CONNECTIONS = "url", "symbols", "connections"


def push_provider(
    upstream: Upstream, *, verify_tls: bool = True
) -> tuple[PushProvider, Access] | None:
    """What the upstream's address names, and how it is reached; None for one that is polled.

    Raises:
        InvalidProviderUrl: there is no such provider, or its options or key cannot be used.
        InvalidProxy: the environment names a proxy for it that cannot be used.
    """
    scheme = upstream.url.partition("://")[0].lower()
    if scheme in POLLED or scheme in KNOWN_APIS:
        return None
    provider = PUSH_PROVIDERS.get(scheme)
    if provider is None:
        there = sorted({*PUSH_PROVIDERS, *KNOWN_APIS, *POLLED})
        known = ", ".join(f"{one}://" for one in there)
        raise InvalidProviderUrl(f"a provider {scheme[:32]}:// is unknown; there are {known}")
    access = Access(*_options(provider, upstream.url), upstream.key, upstream.secret, verify_tls)
    given = Source(upstream.name, upstream.url)
    for what, variable, missing in (
        ("key", given.key_variable, provider.needs_key and access.key is None),
        ("secret", given.secret_variable, provider.needs_secret and access.secret is None),
    ):
        if missing:
            raise InvalidProviderUrl(
                f"{provider.name} wants a {what}: set {variable} or {variable}_FILE"
            )
    wrong = provider.check(access)
    if wrong is not None:
        raise InvalidProviderUrl(wrong)
    proxy_to(httpx.URL(access.url or provider.address))
    return _of_plan(provider.adapted(provider, access), access), access


def _of_plan(provider: PushProvider, access: Access) -> PushProvider:
    """The provider with as many symbols and connections as a plan has, where that is said."""
    written = access.options.get(_SYMBOLS)
    if written is not None:
        if not _NUMBER.fullmatch(written):
            raise InvalidProviderUrl(f"symbols={written[:16]} is no number of symbols")
        provider = replace(provider, limits=replace(provider.limits, symbols=int(written)))
    written, most = access.options.get(_CONNECTIONS), provider.limits.connections
    if written is not None:
        if not _NUMBER.fullmatch(written) or int(written) > most:
            raise InvalidProviderUrl(f"connections={written[:16]} is no number from 1 to {most}")
        provider = replace(provider, connections=int(written))
    return provider


@dataclass(frozen=True, slots=True)
class Polled:
    """What makes a provider that is polled: by a declaration, or by an address of other kinds."""

    api: JsonApi | None
    url: str = field(repr=False)
    settings: HttpSettings

    def __call__(self) -> Provider:
        """A new one.

        Raises:
            InvalidProviderUrl: the address cannot be used.
            InvalidProxy: the environment names a proxy for it that cannot be used.
        """
        if self.api is None:
            return from_url(self.url, self.settings)
        return JsonProvider(self.api, self.settings)

    def renewed(self, upstream: Upstream) -> Polled:
        """The same with another key of the upstream; its file is not read again.

        Raises:
            InvalidProviderUrl: the key is missing, or too much.
        """
        return self if self.api is None else replace(self, api=self.api.with_keys(upstream))


def poll_provider(upstream: Upstream, settings: HttpSettings) -> Polled:
    """What makes the provider that the upstream's address names, for each life of its feed.

    A file is read here and not again: one that is wrong later cannot end a feed.

    Raises:
        InvalidProviderUrl: its address, file or key cannot be used.
        InvalidProxy: the environment names a proxy for it that cannot be used.
    """
    polled = Polled(_declared(upstream), upstream.url, settings)
    polled()
    return polled


def declared_in(upstream: Upstream) -> str:
    """What the file says that its address names, on which nodes of a cluster have to agree.

    What comes with the program is none of these: another version may know more of a provider.
    """
    scheme = upstream.url.partition("://")[0].lower()
    api = _declared(upstream) if scheme == JSON else None
    return "" if api is None else msgspec.json.encode(api.said).decode()


def _declared(upstream: Upstream) -> JsonApi | None:
    scheme, _, rest = upstream.url.partition("://")
    scheme, (file, _, query) = scheme.lower(), rest.partition("?")
    known = KNOWN_APIS.get(scheme)
    if known is not None:
        if file.strip("/"):
            raise InvalidProviderUrl(
                f"write {scheme}://?url=https://… for another server than {known.name}'s"
            )
        return json_api(known.name, open_file(known.file), query, upstream, known)
    if scheme != JSON:
        return None
    if not file:
        raise InvalidProviderUrl("name the file after json://, as json://prices.toml")
    path = Path(file)
    return json_api(path.name, open_file(path), query, upstream)


def _options(provider: PushProvider, address: str) -> tuple[str | None, dict[str, str]]:
    parts = urlsplit(address)
    if parts.netloc or parts.path.strip("/"):
        raise InvalidProviderUrl(
            f"write {provider.scheme}://?url=wss://… for another server than {provider.name}'s"
        )
    given = given_options(parts.query)
    url = given.pop(_URL, None)
    limits = provider.limits
    options = provider.options | ({_SYMBOLS} if limits.symbols else set())
    options |= {_CONNECTIONS} if limits.connections > 1 else set()
    unknown = sorted(given.keys() - options)
    if unknown:
        may = ", ".join(sorted({*options, _URL}))
        hint = "; a key belongs into its own variable" if "key" in unknown[0].lower() else ""
        raise InvalidProviderUrl(
            f"{provider.scheme}:// has no option {unknown[0][:32]!r}, only {may}{hint}"
        )
    if url is not None:
        _check(url)
    return url, given


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in {"ws", "wss"}
            and host_of(url) is not None
            and parts.port != 0
            and parts.username is None
        )
    except ValueError:
        good = False
    if not good:
        raise InvalidProviderUrl("the url= is no address as wss://host[:port][/path]")
