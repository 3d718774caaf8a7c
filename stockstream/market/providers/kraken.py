"""Kraken's WebSocket API, version 2: https://docs.kraken.com/api/docs/websocket-v2/ticker.

It needs no key, answers each symbol of a subscription by itself, sends a snapshot first, and a
heartbeat every second in which nothing else comes, but only to who has subscribed to something: so
we ping when it has been quiet. A pair is ``BTC/USD`` there; its range and volume are those of the
last 24 hours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stockstream.market.day_figures import before
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
    pieces,
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

ADDRESS = "wss://ws.kraken.com/v2"
QUIET_SECONDS = 5.0
_PAIR = re.compile(r"[A-Z0-9.]+-[A-Z0-9.]+")
_AT_ONCE = 100
_UP = frozenset({"online", "post_only", "limit_only", "cancel_only"})
"""In all of these there are prices; what differs is which orders are taken."""


class KrakenCodec(Conversation):
    """The conversation on one connection."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = 0.0
        self._numbered = 0

    def written(self, symbol: Symbol) -> str | None:
        """``BTC-USD`` as ``BTC/USD``."""
        return symbol.replace("-", "/") if _PAIR.fullmatch(symbol) else None

    def greet(self, taken: Taken) -> None:
        """Nobody logs in."""
        self._heard = self._now
        self.let_in(taken)

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """By the trade, and the latest of each at once."""
        self._ask_for("subscribe", names, {"event_trigger": "trades", "snapshot": True}, taken)

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        self._ask_for("unsubscribe", names, {"event_trigger": "trades"}, taken)

    def tick(self, now: float, taken: Taken) -> None:
        """Ping when it has been quiet."""
        if now - self._heard >= QUIET_SECONDS:
            self._heard = now
            taken.send({"method": "ping", "req_id": self._number()})

    def read(self, message: object, taken: Taken) -> None:
        """A message of a channel, or the answer to one of ours."""
        self._heard = self._now
        known = fields(message)
        match known.get("channel"), known.get("method"):
            case "ticker", _:
                self.each(items(known.get("data"), "data"), self._price, taken)
            case "status", _:
                self.each(items(known.get("data"), "data"), self._status, taken)
            case "heartbeat", _:
                pass
            case _, "subscribe":
                self._answer(known, taken)
            case _, "unsubscribe" | "pong":
                pass
            case _, None if "error" in known:
                self._error(known, taken)
            case channel, method:
                name = channel or method
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(name)[:32]!r}")

    def _price(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("symbol"), "symbol")
        symbol = self.symbol(name)
        if symbol is None:
            return
        last = price(item.get("last"), name)
        told = item.get("timestamp")
        at = self.wall if told is None else iso(told, name)
        currency = name.rpartition("/")[2]
        top = taken.top(symbol, last, bid=item.get("bid"), ask=item.get("ask"))
        figures = taken.day(
            symbol,
            last,
            high=item.get("high"),
            low=item.get("low"),
            open_=before(last, item.get("change")),
            volume=item.get("volume"),
            rolling=True,
        )
        taken.price(Observation(symbol, last, at, "KRAKEN", currency, figures=figures, top=top))

    def _status(self, item: Fields, taken: Taken) -> None:
        system = text(item.get("system"), "system")
        if system not in _UP:
            detail = "Kraken says that it is not online"
            taken.tell(Trouble("maintenance", detail, retry_after=30, said=said(system)))

    def _answer(self, answer: Fields, taken: Taken) -> None:
        result = answer.get("result")
        told = result.get("symbol") if isinstance(result, dict) else answer.get("symbol")
        if answer.get("success") is True:
            self.acknowledge([text(told, "symbol")], taken)
        elif isinstance(told, str):
            self._refuse([told], answer, taken)
        else:
            self._error(answer, taken)

    def _error(self, answer: Fields, taken: Taken) -> None:
        words = text(answer.get("error"), "error")
        named = [name for name in self.asked if name in words]
        if named:
            self._refuse(named, answer, taken)
        elif "rate" in words.lower() or "too many" in words.lower():
            detail = "Kraken says that we ask too often"
            taken.tell(Trouble("rate_limited", detail, retry_after=30, said=said(words)))
        else:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {said(words)}")

    def _refuse(self, names: Sequence[str], answer: Fields, taken: Taken) -> None:
        self.refuse(names, UNKNOWN_SYMBOL, said(answer.get("error")) or "refused", taken)

    def _ask_for(
        self, method: str, names: Sequence[str], more: dict[str, object], taken: Taken
    ) -> None:
        for piece in pieces(names, _AT_ONCE):
            params = {"channel": "ticker", "symbol": piece, **more}
            taken.send({"method": method, "params": params, "req_id": self._number()})

    def _number(self) -> int:
        self._numbered += 1
        return self._numbered


KRAKEN = PushProvider(
    scheme="kraken",
    name="Kraken",
    address=ADDRESS,
    silence=10.0,
    endpoint=lambda access: Endpoint(access.url or ADDRESS),
    codec=lambda _access: KrakenCodec(),
    starters=("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD"),
    # About 150 connects in 10 minutes from one address, and then none for 10 minutes. How many
    # connections there may be is not said: as many as may be made at once.
    limits=PushLimits(connections=8, connects=Bucket(10, 100 / 600), messages=Bucket(10, 5)),
    sessionless=True,
)
