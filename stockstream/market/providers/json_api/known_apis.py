"""The APIs that are known by a scheme, each described by a file as anybody may write one.

``finnhub+rest://`` asks by REST a provider that pushes by its own scheme; one that does not push
needs no ``+rest``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from stockstream.market.providers.finnhub import FinnhubCodec, market_of
from stockstream.market.providers.twelvedata import TwelveDataCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stockstream.quotes import Symbol

_FOLDER = Path(__file__).parent / "known"


@dataclass(frozen=True, slots=True)
class KnownApi:
    """One of them, by the `name` that people know it by, and the `file` that describes it.

    `written` says how it writes a symbol, None: it cannot have that; `market_of` a symbol's
    exchange and currency, as far as it tells them.
    """

    name: str
    file: Path
    written: Callable[[Symbol], str | None] | None = None
    market_of: Callable[[Symbol], tuple[str | None, str | None]] | None = None


KNOWN_APIS: Mapping[str, KnownApi] = MappingProxyType(
    {
        "tiingo": KnownApi("Tiingo", _FOLDER / "tiingo.toml"),
        "finnhub+rest": KnownApi(
            "Finnhub", _FOLDER / "finnhub.toml", FinnhubCodec().written, market_of
        ),
        "alpaca+rest": KnownApi("Alpaca", _FOLDER / "alpaca.toml"),
        "twelvedata+rest": KnownApi(
            "Twelve Data", _FOLDER / "twelvedata.toml", TwelveDataCodec().written
        ),
        "massive+rest": KnownApi("Massive", _FOLDER / "massive.toml"),
    }
)
