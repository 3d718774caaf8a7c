"""Coinbase Exchange's WebSocket feed: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview.

It needs no key, cuts who has not subscribed to anything after 5 s, answers a subscription with
the whole state, and tells a heartbeat of each product once a second. Prices are texts, beside them
stand figures of the last 24 hours. One product
that it has not fails the whole subscription, so the products are asked for one by one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stockstream.market.providers.conversation import Conversation
from stockstream.market.providers.frames import (
    UNKNOWN_ERROR,
    UNKNOWN_MESSAGE,
    Fields,
    Taken,
    Unreadable,
    fields,
    iso,
    items,
    price,
    said,
    text,
)
from stockstream.market.providers.push import (
    Bucket,
    Endpoint,
    PushLimits,
    PushProvider,
    Trouble,
)
from stockstream.quotes import Observation
from stockstream.refusals import UNKNOWN_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol

ADDRESS = "wss://ws-feed.exchange.coinbase.com"
CHANNELS = ("ticker", "heartbeat")
_PRODUCT = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")


class CoinbaseCodec(Conversation):
    """The conversation on one connection."""

    def written(self, symbol: Symbol) -> str | None:
        """As it is."""
        return symbol if _PRODUCT.fullmatch(symbol) else None

    def greet(self, taken: Taken) -> None:
        """Nobody logs in."""
        self.let_in(taken)

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Prices and heartbeats of each."""
        for name in names:
            taken.send({"type": "subscribe", "product_ids": [name], "channels": CHANNELS})

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        taken.send({"type": "unsubscribe", "product_ids": names, "channels": CHANNELS})

    def read(self, message: object, taken: Taken) -> None:
        """A message of a channel, or the answer to one of ours."""
        known = fields(message)
        match known.get("type"):
            case "ticker":
                self._price(known, taken)
            case "heartbeat":
                pass
            case "subscriptions":
                self.each(items(known.get("channels"), "channels"), self._subscribed, taken)
            case "error":
                self._error(known, taken)
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(other)[:32]!r}")

    def _price(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("product_id"), "product_id")
        symbol = self.symbol(name)
        if symbol is None:
            return
        told, last = item.get("time"), price(item.get("price"), name)
        # The first one, which says what there is, may be of no trade, and has no time then.
        at = self.wall if told is None else iso(told, name)
        figures = taken.day(
            symbol,
            last,
            high=item.get("high_24h"),
            low=item.get("low_24h"),
            open_=item.get("open_24h"),
            volume=item.get("volume_24h"),
            rolling=True,
        )
        top = taken.top(symbol, last, bid=item.get("best_bid"), ask=item.get("best_ask"))
        currency = name.rpartition("-")[2]
        taken.price(Observation(symbol, last, at, "COINBASE", currency, figures=figures, top=top))

    def _subscribed(self, channel: Fields, taken: Taken) -> None:
        if channel.get("name") == "ticker":
            there = items(channel.get("product_ids"), "product_ids")
            self.acknowledge([name for name in there if isinstance(name, str)], taken)

    def _error(self, error: Fields, taken: Taken) -> None:
        words = f"{said(error.get('message')) or ''} {said(error.get('reason')) or ''}".strip()
        named = [name for name in self.asked if name in words]
        if named:
            self.refuse(named, UNKNOWN_SYMBOL, words, taken)
        elif "rate" in words.lower() or "too many" in words.lower():
            detail = "Coinbase says that we ask too often"
            taken.tell(Trouble("rate_limited", detail, retry_after=30, said=words))
        else:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {words}")


COINBASE = PushProvider(
    scheme="coinbase",
    name="Coinbase Exchange",
    address=ADDRESS,
    silence=10.0,
    endpoint=lambda access: Endpoint(access.url or ADDRESS),
    codec=lambda _access: CoinbaseCodec(),
    starters=("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD"),
    # 8 connects a second from one address; 100 messages a second, of which this is far away. How
    # many connections there may be is not said.
    limits=PushLimits(connections=8, connects=Bucket(4, 1), messages=Bucket(20, 20)),
    sessionless=True,
)
