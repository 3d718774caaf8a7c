"""Where quotes come from. `from_url` picks the provider by the scheme of its address."""

from __future__ import annotations

from stockstream.market.providers.base import (
    InvalidProviderUrl,
    Provider,
    ProviderBody,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderStatus,
    ProviderTimeout,
    SymbolsNotFound,
    Terms,
)
from stockstream.market.providers.fetcher import HttpSettings
from stockstream.market.providers.http import HttpProvider
from stockstream.market.providers.simulated import SimulatedProvider
from stockstream.proxies import InvalidProxy

__all__ = [
    "HttpProvider",
    "HttpSettings",
    "InvalidProviderUrl",
    "InvalidProxy",
    "Provider",
    "ProviderBody",
    "ProviderDown",
    "ProviderError",
    "ProviderRefused",
    "ProviderStatus",
    "ProviderTimeout",
    "SimulatedProvider",
    "SymbolsNotFound",
    "Terms",
    "from_url",
]


def from_url(url: str, settings: HttpSettings | None = None) -> Provider:
    """Make the provider that `url` names: ``http://``, ``https://`` or ``sim://``.

    Raises `InvalidProviderUrl` with what is wrong, without repeating credentials in it, and
    `InvalidProxy` where the environment names one for it that cannot be used.
    """
    scheme, separator, _ = url.partition("://")
    match scheme.lower() if separator else "":
        case "http" | "https":
            return HttpProvider(url, settings)
        case "sim":
            return SimulatedProvider.from_url(url)
        case "":
            raise InvalidProviderUrl("no scheme; use http://, https:// or sim://")
        case other:
            raise InvalidProviderUrl(
                f"unknown scheme {other[:32]!r}; use http://, https:// or sim://"
            )
