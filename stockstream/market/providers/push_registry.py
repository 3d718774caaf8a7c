"""The providers that push, by the scheme that names them in `PROVIDERS`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stockstream.market.providers.alpaca import ALPACA
from stockstream.market.providers.binance import BINANCE
from stockstream.market.providers.coinbase import COINBASE
from stockstream.market.providers.finnhub import FINNHUB
from stockstream.market.providers.kraken import KRAKEN
from stockstream.market.providers.massive import MASSIVE
from stockstream.market.providers.twelvedata import TWELVE_DATA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.market.providers.push import PushProvider

PUSH_PROVIDERS: Mapping[str, PushProvider] = MappingProxyType(
    {
        provider.scheme: provider
        for provider in (KRAKEN, COINBASE, BINANCE, FINNHUB, ALPACA, MASSIVE, TWELVE_DATA)
    }
)
