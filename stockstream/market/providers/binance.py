"""Binance's market data streams: https://github.com/binance/binance-spot-api-docs.

No key is needed. Each symbol is a stream, ``btcusdt@ticker``, told once a second and only
on change, with the best bid and ask and figures of the last 24 hours; in what is told its name is
in capitals. Its time is that of the telling: a price after which nobody has traded keeps the time
at which it was first told. A pair is written without anything between, so the currency is known by
its end. A symbol that it has not is acknowledged like any other and never told. It ends connections
after 24 hours, and says so before on a stream of its own.
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
    pieces,
    price,
    said,
    since_1970,
    text,
)
from stockstream.market.providers.push import (
    Bucket,
    Endpoint,
    PushLimits,
    PushProvider,
    Replace,
    Trouble,
)
from stockstream.quotes import Observation
from stockstream.refusals import INVALID_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol

ADDRESS = "wss://data-stream.binance.vision/stream"
SHUTDOWN = "!serverShutdown"
_STREAM = "@ticker"
_PAIR = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)")
_AT_ONCE = 100
_TOO_MANY = frozenset({-1003, -1015, 429})
DAY = 86_400.0


class BinanceCodec(Conversation):
    """The conversation on one connection. Names are as in what is told: ``BTCUSDT``."""

    def __init__(self) -> None:
        super().__init__()
        self._currencies: dict[str, str] = {}
        self._numbered = 0
        self._questions: dict[int, list[str]] = {}
        self._traded: dict[str, tuple[object, int]] = {}
        """The last trade of each name, and when it was first told."""

    def written(self, symbol: Symbol) -> str | None:
        """``BTC-USDT`` as ``BTCUSDT``."""
        pair = _PAIR.fullmatch(symbol)
        if pair is None:
            return None
        name = pair[1] + pair[2]
        self._currencies[name] = pair[2]
        return name

    def greet(self, taken: Taken) -> None:
        """Nobody logs in; we want to hear when the server is about to go."""
        self._ask_for("SUBSCRIBE", [SHUTDOWN], taken)
        self.let_in(taken)

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Prices of these, each second in which they change."""
        for piece in pieces(names, _AT_ONCE):
            self._questions[self._numbered + 1] = piece
            self._ask_for("SUBSCRIBE", [name.lower() + _STREAM for name in piece], taken)

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        for piece in pieces(names, _AT_ONCE):
            self._ask_for("UNSUBSCRIBE", [name.lower() + _STREAM for name in piece], taken)
        for name in names:
            self._currencies.pop(name, None)
            self._traded.pop(name, None)

    def read(self, message: object, taken: Taken) -> None:
        """What a stream tells, or the answer to one of ours."""
        known = fields(message)
        if "stream" in known:
            self._told(fields(known.get("data"), "data"), taken)
        elif "code" in known or "error" in known:
            error = known.get("error")
            self._error(error if isinstance(error, dict) else known, known.get("id"), taken)
        elif "result" in known:
            self.acknowledge(self._question(known.get("id")), taken)
        elif "e" in known:
            self._told(known, taken)
        else:
            raise Unreadable(UNKNOWN_MESSAGE, "a message that is neither an answer nor a stream's")

    def _told(self, item: Fields, taken: Taken) -> None:
        match item.get("e"):
            case "24hrTicker":
                self._price(item, taken)
            case "serverShutdown":
                taken.tell(Replace("Binance says that this server is about to go"))
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"an event {str(other)[:32]!r}")

    def _price(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("s"), "s")
        symbol = self.symbol(name)
        if symbol is None:
            return
        last, at = price(item.get("c"), name), since_1970(item.get("E"), name)
        trade = item.get("L")
        if trade is not None:
            known, first = self._traded.get(name, (None, at))
            if known == trade and first <= at:
                at = first
            else:
                self._traded[name] = trade, at
        figures = taken.day(
            symbol,
            last,
            high=item.get("h"),
            low=item.get("l"),
            open_=item.get("o"),
            volume=item.get("v"),
            rolling=True,
        )
        top = taken.top(symbol, last, bid=item.get("b"), ask=item.get("a"))
        currency = self._currencies.get(name)
        taken.price(Observation(symbol, last, at, "BINANCE", currency, figures=figures, top=top))

    def _error(self, error: Fields, number: object, taken: Taken) -> None:
        words = said(error.get("msg")) or ""
        if error.get("code") in _TOO_MANY:
            detail = "Binance says that we ask too often"
            taken.tell(Trouble("rate_limited", detail, retry_after=60, said=words))
            return
        names = self._question(number)
        if not names:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {words}")
        # Which of them it is is not said.
        self.refuse(names, INVALID_SYMBOL, words or "refused", taken)

    def _question(self, number: object) -> list[str]:
        return self._questions.pop(number, []) if isinstance(number, int) else []

    def _ask_for(self, method: str, params: Sequence[str], taken: Taken) -> None:
        self._numbered += 1
        taken.send({"method": method, "params": params, "id": self._numbered})


BINANCE = PushProvider(
    scheme="binance",
    name="Binance",
    address=ADDRESS,
    silence=None,
    endpoint=lambda access: Endpoint(access.url or ADDRESS),
    codec=lambda _access: BinanceCodec(),
    starters=("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "ADA-USDT", "DOGE-USDT"),
    # 300 connects in 5 minutes from one address; 5 messages a second with pings and pongs, or cut.
    # Of 1024 streams on a connection; how many connections there may be is not said.
    limits=PushLimits(
        symbols=1000, connections=8, connects=Bucket(10, 200 / 300), messages=Bucket(3, 3)
    ),
    lifetime=DAY - 3600,
    sessionless=True,
)
