"""Finnhub's WebSocket API: https://finnhub.io/docs/api/websocket-trades.

The key stands in the address, as the provider wants it. One symbol a message, and no answer to it;
a ping a minute while nothing trades; several trades of several symbols in a frame. There is no
snapshot, so the latest price is asked for by REST, where a symbol that it has not is a price of 0.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from stockstream.market.providers.conversation import Conversation
from stockstream.market.providers.frames import (
    UNKNOWN_ERROR,
    UNKNOWN_MESSAGE,
    Fields,
    Taken,
    Unreadable,
    fields,
    items,
    price,
    said,
    since_1970,
    text,
)
from stockstream.market.providers.push import (
    Access,
    Bucket,
    Endpoint,
    Latest,
    PushLimits,
    PushProvider,
    Refused,
    Trouble,
    Turn,
)
from stockstream.market.providers.rest import FORBIDDEN, answered, rest_address, words_of
from stockstream.market.timestamps import TimeUnit
from stockstream.quotes import Observation
from stockstream.refusals import NOT_IN_PLAN, UNKNOWN_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol

NAME = "Finnhub"
ADDRESS = "wss://ws.finnhub.io"
REST = "https://finnhub.io"
QUOTE = "/api/v1/quote"
_OF_A_MARKET = re.compile(r"([A-Z0-9]+):(.+)")
_US_STOCK = re.compile(r"[A-Z]+([.-][ABC])?")
_ENDS = ("FDUSD", "USDT", "USDC", "USD", "EUR", "GBP", "BTC", "ETH")
"""Currencies that end a pair without anything between; the longest first."""


class FinnhubCodec(Conversation):
    """The conversation on one connection."""

    acknowledges = False

    def written(self, symbol: Symbol) -> str | None:
        """``AAPL``, ``BINANCE:BTCUSDT``, ``OANDA:EUR_USD``: as they are."""
        return symbol

    def greet(self, taken: Taken) -> None:
        """Who has no key is not connected."""
        self.let_in(taken)

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """One by one."""
        for name in names:
            taken.send({"type": "subscribe", "symbol": name})

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        for name in names:
            taken.send({"type": "unsubscribe", "symbol": name})

    def read(self, message: object, taken: Taken) -> None:
        """Trades, a ping, or an error; the former show that what was asked for is heard."""
        known = fields(message)
        match known.get("type"):
            case "trade":
                self.each(items(known.get("data"), "data"), self._trade, taken)
            case "ping":
                pass
            case "error":
                self._error(known, taken)
                return
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(other)[:32]!r}")
        self.works(taken)

    def _trade(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("s"), "s")
        symbol = self.symbol(name)
        if symbol is not None:
            last, at = price(item.get("p"), name), since_1970(item.get("t"), name)
            flow = self.flow(name, item.get("v"), taken)
            taken.price(Observation(symbol, last, at, *market_of(symbol), flow=flow))

    def _error(self, error: Fields, taken: Taken) -> None:
        words = said(error.get("msg")) or ""
        lower = words.lower()
        named = [name for name in self.asked if name in words]
        if named:
            self.refuse(named, UNKNOWN_SYMBOL, words, taken)
        elif "api key" in lower or "token" in lower or "access" in lower:
            detail = "Finnhub does not take the key"
            taken.tell(Trouble("auth_failed", detail, fatal=True, said=words))
        elif "limit" in lower or "too many" in lower:
            detail = "Finnhub says that we ask too often"
            taken.tell(Trouble("rate_limited", detail, retry_after=60, said=words))
        else:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {words}")


def market_of(symbol: Symbol) -> tuple[str | None, str | None]:
    """The exchange and the currency, as far as a symbol tells them."""
    of_a_market = _OF_A_MARKET.fullmatch(symbol)
    if of_a_market is None:
        return ("US", "USD") if _US_STOCK.fullmatch(symbol) else (None, None)
    pair = of_a_market[2]
    parts = re.split("[-_]", pair)
    if len(parts) > 1:
        return of_a_market[1], parts[-1]
    return of_a_market[1], next((end for end in _ENDS if pair.endswith(end)), None)


def _endpoint(access: Access) -> Endpoint:
    url = access.url or ADDRESS
    return Endpoint(f"{url}{'&' if '?' in url else '?'}token={quote(access.key or '', safe='')}")


def _request(access: Access, symbols: frozenset[Symbol]) -> Endpoint:
    (symbol,) = symbols
    query = urlencode({"symbol": symbol})
    headers = (("X-Finnhub-Token", access.key or ""),)
    return Endpoint(f"{rest_address(access, REST)}{QUOTE}?{query}", headers)


def _read(symbols: frozenset[Symbol], status: int, body: bytes, _wall: int) -> Turn:
    (symbol,) = symbols
    if status == FORBIDDEN:
        # The key is good, and the plan has this symbol not by REST.
        words = words_of(body) or "not in this plan"
        return Turn(events=(Refused(symbol, NOT_IN_PLAN, words),))
    return answered(NAME, status, body, partial(_quote, symbol))


def _quote(symbol: Symbol, answer: object, taken: Taken) -> None:
    quote_ = fields(answer, "the answer")
    if quote_.get("c") == 0:
        taken.tell(Refused(symbol, UNKNOWN_SYMBOL, "Finnhub has no price of it"))
        return
    last = price(quote_.get("c"), symbol)
    at = since_1970(quote_.get("t"), symbol, TimeUnit.SECONDS)
    exchange, currency = market_of(symbol)
    figures = taken.day(
        symbol, last, high=quote_.get("h"), low=quote_.get("l"), open_=quote_.get("o")
    )
    close = taken.close(symbol, last, quote_.get("pc"))
    taken.price(
        Observation(symbol, last, at, exchange, currency, previous_close=close, figures=figures)
    )


FINNHUB = PushProvider(
    scheme="finnhub",
    name=NAME,
    address=ADDRESS,
    silence=130.0,
    endpoint=_endpoint,
    codec=lambda _access: FinnhubCodec(),
    needs_key=True,
    starters=("AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "BINANCE:BTCUSDT"),
    # 50 symbols, and 60 calls a minute, are what a key without a plan has; 30 a second have all.
    limits=PushLimits(symbols=50, connects=Bucket(5, 1 / 12), messages=Bucket(25, 25)),
    latest=Latest(_request, _read, symbols=1, calls=Bucket(20, 0.6)),
)
