"""Massive's stocks stream, which was Polygon's: https://massive.com/docs/websocket/stocks/trades.

Each frame is a list. One logs in by a message with the key. Each symbol is acknowledged by itself,
unknown ones too, and one that is held already is not. There is no heartbeat and no snapshot. Of two
connections of a key the older one is ended. By REST times are in ns, and a zero is no price.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from stockstream.market.providers.conversation import Conversation
from stockstream.market.providers.frames import (
    NOT_POSITIVE,
    OPTIONAL_FIELD,
    UNKNOWN_ERROR,
    UNKNOWN_MESSAGE,
    Fields,
    Taken,
    Unreadable,
    fields,
    items,
    pieces,
    price,
    said,
    since_1970,
    text,
)
from stockstream.market.providers.push import (
    CONNECTION_LIMIT,
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
from stockstream.market.providers.rest import answered, rest_address
from stockstream.market.timestamps import TimeUnit
from stockstream.quotes import Observation
from stockstream.refusals import UNKNOWN_SYMBOL
from stockstream.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import DayFigures, Symbol, TopOfBook

NAME = "Massive"
ADDRESSES = {
    "realtime": "wss://socket.massive.com/stocks",
    "delayed": "wss://delayed.massive.com/stocks",
}
REST = "https://api.massive.com"
SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
DELAY_SECONDS = 900
AFTER_ANOTHER_SECONDS = 10.0
_SYMBOL = re.compile(r"[A-Z0-9]+(\.[A-Z0-9]+)?")
_TRADES = "T."
_ACKNOWLEDGED = "subscribed to: "
_AT_ONCE = 100
_NO_LAST = frozenset({2, 5, 7, 10, 13, 15, 16, 20, 21, 22, 29, 30, 31, 32, 33, 38, 52, 53})
"""Conditions of trades that are no last price: average and derived prices, other settlements, out
of sequence, official opens and closes, contingent ones. Odd lots (37) and those outside the hours
(12) are prices."""
_NEW_YORK = ZoneInfo("America/New_York")


class MassiveCodec(Conversation):
    """The conversation on one connection."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._key = access.key
        self._feed = _feed(access)

    def written(self, symbol: Symbol) -> str | None:
        """As it is, ``BRK.B``; there are no pairs here."""
        return symbol if _SYMBOL.fullmatch(symbol) else None

    def greet(self, taken: Taken) -> None:
        """The server speaks first."""

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Trades of these."""
        self._ask_for("subscribe", names, taken)

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        self._ask_for("unsubscribe", names, taken)

    def read(self, message: object, taken: Taken) -> None:
        """Messages in a list."""
        self.each(items(message, "a frame"), self._message, taken)

    def _message(self, message: Fields, taken: Taken) -> None:
        match message.get("ev"):
            case "T":
                self._trade(message, taken)
            case "status":
                self._status(message, taken)
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(other)[:32]!r}")

    def _trade(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("sym"), "sym")
        symbol = self.symbol(name)
        if symbol is None:
            return
        if name not in self._held:
            self.acknowledge([name], taken)
        flow = self.flow(name, item.get("s"), taken)
        if not _moves_the_price(item):
            return
        last, at = price(item.get("p"), name), since_1970(item.get("t"), name)
        reported = item.get("trft")
        if reported is not None:
            # A trade off the exchanges may be reported late, and is of the time of its report.
            at = min(at, since_1970(reported, name))
        seen = _observed(self._feed, symbol, last, at)
        taken.price(msgspec.structs.replace(seen, flow=flow))

    def _status(self, item: Fields, taken: Taken) -> None:
        words = said(item.get("message")) or ""
        match item.get("status"):
            case "connected":
                taken.send({"action": "auth", "params": self._key})
            case "auth_success":
                self.let_in(taken)
            case "success":
                if words.startswith(_ACKNOWLEDGED):
                    names = words.removeprefix(_ACKNOWLEDGED).split(",")
                    self.acknowledge([one.strip().removeprefix(_TRADES) for one in names], taken)
            case "auth_failed" | "auth_timeout" | "auth_required" as status:
                fatal = status == "auth_failed"
                detail = f"Massive does not let us in ({status})"
                taken.tell(Trouble(status, detail, fatal=fatal, said=words))
            case "max_connections":
                detail = "another connection of this key has taken the place of ours"
                wait = AFTER_ANOTHER_SECONDS
                taken.tell(Trouble(CONNECTION_LIMIT, detail, retry_after=wait, said=words))
            case _:
                self._error(words, taken)

    def _error(self, words: str, taken: Taken) -> None:
        asked = self.asked
        named = [name for name in re.findall(r"T\.([A-Z0-9.]+)", words) if name in asked]
        lower = words.lower()
        if named:
            self.refuse(named, UNKNOWN_SYMBOL, words, taken)
        elif "plan" in lower or "not authorized" in lower:
            detail = "Massive's plan of this key has not this feed"
            taken.tell(Trouble("auth_failed", detail, fatal=True, said=words))
        else:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {words}")

    def _ask_for(self, action: str, names: Sequence[str], taken: Taken) -> None:
        for piece in pieces(names, _AT_ONCE):
            params = ",".join(_TRADES + name for name in piece)
            taken.send({"action": action, "params": params})


def _moves_the_price(trade: Fields) -> bool:
    conditions = trade.get("c")
    if not isinstance(conditions, list):
        return True
    return _NO_LAST.isdisjoint(one for one in conditions if isinstance(one, int))


def _feed(access: Access) -> str:
    return access.options.get("feed", "realtime")


def _observed(feed: str, symbol: Symbol, last: float, at: int) -> Observation:
    delay = DELAY_SECONDS if feed == "delayed" else None
    return Observation(symbol, last, at, "US", "USD", delay is not None, delay)


def _request(access: Access, symbols: frozenset[Symbol]) -> Endpoint:
    query = urlencode({"tickers": ",".join(sorted(symbols))})
    headers = (("Authorization", f"Bearer {access.key or ''}"),)
    return Endpoint(f"{rest_address(access, REST)}{SNAPSHOT}?{query}", headers)


def _read(access: Access, symbols: frozenset[Symbol], status: int, body: bytes, wall: int) -> Turn:
    return answered(NAME, status, body, partial(_tickers, access, symbols, wall))


def _tickers(
    access: Access, symbols: frozenset[Symbol], wall: int, answer: object, taken: Taken
) -> None:
    missing = set(symbols)
    for item in items(fields(answer, "the answer").get("tickers"), "tickers"):
        try:
            ticker = fields(item, "a ticker")
            symbol = next((one for one in symbols if one == ticker.get("ticker")), None)
            if symbol is not None:
                missing.discard(symbol)
                last, at = _last(ticker, symbol)
                figures = _day(ticker.get("day"), symbol, last, taken)
                before = ticker.get("prevDay")
                closed = before.get("c") if isinstance(before, dict) else None
                seen = _observed(_feed(access), symbol, last, at)
                close = taken.close(symbol, last, closed)
                top = _top(ticker.get("lastQuote"), symbol, last, at, taken)
                taken.price(
                    msgspec.structs.replace(seen, previous_close=close, figures=figures, top=top)
                )
        except Unreadable as unreadable:
            if unreadable.kind != NOT_POSITIVE:  # before the first trade of a day all is 0
                taken.left_out(unreadable)
    if missing and _is_cleared(wall):
        detail = "Massive has no snapshot from 3:30 to 4:00 in New York"
        taken.tell(Trouble("cleared", detail, retry_after=300))
        return
    for symbol in sorted(missing):
        taken.tell(Refused(symbol, UNKNOWN_SYMBOL, "Massive left it out of its snapshot"))


def _last(ticker: Fields, symbol: Symbol) -> tuple[float, int]:
    """The last trade; of a plan that has none, or where it is no price, the day so far."""
    trade = ticker.get("lastTrade")
    if trade is not None and _moves_the_price(found := fields(trade, "lastTrade")):
        last = price(found.get("p"), symbol)
        return last, since_1970(found.get("t"), symbol, TimeUnit.NANOSECONDS)
    last = price(fields(ticker.get("day"), "day").get("c"), symbol)
    return last, since_1970(ticker.get("updated"), symbol, TimeUnit.NANOSECONDS)


def _day(day: object, symbol: Symbol, last: float, taken: Taken) -> DayFigures | None:
    """All zeros before the first trade in the hours."""
    if not isinstance(day, dict):
        return None
    return taken.day(
        symbol, last, high=day.get("h"), low=day.get("l"), open_=day.get("o"), volume=day.get("v")
    )


def _top(quote: object, symbol: Symbol, last: float, traded: int, taken: Taken) -> TopOfBook | None:
    """The last quote, where it is not from before the price. Some plans have none."""
    if not isinstance(quote, dict) or quote.get("t") is None:
        return None
    try:
        at = since_1970(quote.get("t"), symbol, TimeUnit.NANOSECONDS)
    except Unreadable as unreadable:
        taken.left_out(Unreadable(OPTIONAL_FIELD, f"the last quote: {unreadable}"))
        return None
    if at < traded:
        return None
    when = None if at == traded else at
    return taken.top(symbol, last, bid=quote.get("p"), ask=quote.get("P"), at=when)


def _is_cleared(wall: int) -> bool:
    there = to_datetime(wall).astimezone(_NEW_YORK)
    return there.hour == 3 and there.minute >= 30


def _check(access: Access) -> str | None:
    feed = _feed(access)
    if feed in ADDRESSES:
        return None
    return f"feed={feed[:16]} is none of {', '.join(ADDRESSES)}"


def _adapted(provider: PushProvider, access: Access) -> PushProvider:
    return replace(provider, latest=Latest(_request, partial(_read, access)))


MASSIVE = PushProvider(
    scheme="massive",
    name=NAME,
    address=ADDRESSES["realtime"],
    silence=None,
    endpoint=lambda access: Endpoint(access.url or ADDRESSES[_feed(access)]),
    codec=MassiveCodec,
    needs_key=True,
    options=frozenset({"feed"}),
    starters=("AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "SPY"),
    limits=PushLimits(connects=Bucket(5, 1 / 12)),
    latest=Latest(_request, partial(_read, Access())),
    check=_check,
    adapted=_adapted,
)
