"""Alpaca's market data streams: https://docs.alpaca.markets/docs/streaming-market-data.

Each frame is a list. One logs in by a message, with a key and a secret, and a second connection is
refused while the first is there. A subscription is answered with the whole state; what was asked
for and is not in it is refused. Questions are answered in their order. There is no heartbeat and no
snapshot. Halts of all symbols come beside the trades.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from stockstream.market.providers.conversation import Conversation
from stockstream.market.providers.frames import (
    OPTIONAL_FIELD,
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
from stockstream.market.providers.rest import BAD_REQUEST, answered, rest_address, words_of
from stockstream.quotes import Observation, TradingSession
from stockstream.refusals import INVALID_SYMBOL, OVER_LIMIT, UNKNOWN_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.quotes import Symbol, TopOfBook

NAME = "Alpaca"
ADDRESS = "wss://stream.data.alpaca.markets/v2/"
REST = "https://data.alpaca.markets"
LATEST = "/v2/stocks/snapshots"
_DAY_MS = 86_400_000
FEEDS = ("iex", "sip", "delayed_sip", "test")
DELAY_SECONDS = 900
CALLS = Bucket(10, 3)
_SYMBOL = re.compile(r"[A-Z0-9]+(\.[A-Z0-9]+)?")
_AT_ONCE = 100
_NO_LAST = frozenset("CGHLMNPQRUVWZ479")
"""Trades that are no last price: late, at another time's or an average price, or no trade at all.
Odd lots (`I`) and those outside the hours (`T`) are prices."""
_AVERAGE = "B"
"""An average price where the tape is A or B; on tape C a bunched trade."""
_HALTS, _RESUMES = frozenset("HPF2"), frozenset("T3")
_FATAL = {402: "the key or the secret", 408: "this stream", 409: "this feed", 411: "this key"}
_ENDS = {401: "not_let_in", 404: "not_let_in", 407: "slow_client", 500: "internal_error"}
_OF_A_QUESTION = frozenset({400, 405, 409, 410})


class AlpacaCodec(Conversation):
    """The conversation on one connection."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access
        self._feed = _feed(access)
        self._questions: deque[Sequence[str] | None] = deque()
        """What was asked for and is not answered; None: the halts."""
        self._last: dict[str, Observation] = {}

    def written(self, symbol: Symbol) -> str | None:
        """As it is, ``BRK.B``; there are no pairs here."""
        return symbol if _SYMBOL.fullmatch(symbol) else None

    def greet(self, taken: Taken) -> None:
        """The server speaks first."""

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Trades of these."""
        for piece in pieces(names, _AT_ONCE):
            self._ask_for({"action": "subscribe", "trades": piece}, piece, taken)

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        for piece in pieces(names, _AT_ONCE):
            self._ask_for({"action": "unsubscribe", "trades": piece}, (), taken)
        for name in names:
            self._last.pop(name, None)

    def read(self, message: object, taken: Taken) -> None:
        """Messages in a list; what controls the connection stands alone in one."""
        self.each(items(message, "a frame"), self._message, taken)

    def _message(self, message: Fields, taken: Taken) -> None:
        match message.get("T"):
            case "t":
                self._trade(message, taken)
            case "s":
                self._status(message, taken)
            case "subscription":
                self._subscribed(items(message.get("trades"), "trades"), taken)
            case "error":
                self._error(message, taken)
            case "success" if message.get("msg") == "connected":
                key, secret = self._access.key, self._access.secret
                taken.send({"action": "auth", "key": key, "secret": secret})
            case "success" if message.get("msg") == "authenticated":
                self.let_in(taken)
                self._ask_for({"action": "subscribe", "statuses": ["*"]}, None, taken)
            case "c" | "x":
                pass  # a correction is of a price that was shown already
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(other)[:32]!r}")

    def _trade(self, item: Fields, taken: Taken) -> None:
        name = text(item.get("S"), "S")
        symbol = self.symbol(name)
        if symbol is None:
            return
        flow = self.flow(name, item.get("s"), taken)
        if not _moves_the_price(item):
            return
        last, at = price(item.get("p"), name), iso(item.get("t"), name)
        seen = msgspec.structs.replace(_observed(self._feed, symbol, last, at), flow=flow)
        self._last[name] = seen
        taken.price(seen)

    def _status(self, item: Fields, taken: Taken) -> None:
        """A halt, or its end: told with the last price, as of its own time."""
        last = self._last.get(text(item.get("S"), "S"))
        code = text(item.get("sc"), "sc")
        if last is None or code not in _HALTS | _RESUMES:
            return  # of a symbol that nobody wants, or of quotes only
        at = max(last.timestamp, iso(item.get("t"), last.symbol))
        session = TradingSession.HALTED if code in _HALTS else None
        last = msgspec.structs.replace(last, timestamp=at, session=session)
        self._last[last.symbol] = last
        taken.price(last)

    def _subscribed(self, there: Sequence[object], taken: Taken) -> None:
        names = self._questions.popleft() if self._questions else None
        self.acknowledge([name for name in there if isinstance(name, str)], taken)
        self.refuse(names or (), UNKNOWN_SYMBOL, "Alpaca left it out of its answer", taken)

    def _error(self, error: Fields, taken: Taken) -> None:
        code, words = error.get("code"), said(error.get("msg")) or ""
        if not isinstance(code, int):
            raise Unreadable(UNKNOWN_ERROR, f"an error without a code: {words}")
        question = None
        if code in _OF_A_QUESTION and self._questions:
            question = self._questions.popleft()
            if question is None:
                raise Unreadable("halts_refused", f"no halts are told: {words}")
        match code:
            case 405:
                self.refuse(question or (), OVER_LIMIT, words, taken)
            case 400 if question:
                self.refuse(question, INVALID_SYMBOL, words, taken)
            case 402 | 408 | 409 | 411:
                detail = f"Alpaca does not take {_FATAL[code]}"
                taken.tell(Trouble("auth_failed", detail, fatal=True, said=words))
            case 410:
                detail = "Alpaca's feed has no trades"
                taken.tell(Trouble("wrong_feed", detail, fatal=True, said=words))
            case 406:
                detail = "Alpaca holds another connection of this key"
                taken.tell(Trouble(CONNECTION_LIMIT, detail, said=words, lingers=True))
            case 401 | 404 | 407 | 500:
                detail = f"Alpaca ended the conversation ({code})"
                taken.tell(Trouble(_ENDS[code], detail, said=words))
            case _:
                raise Unreadable(UNKNOWN_ERROR, f"an error {code}: {words}")

    def _ask_for(
        self, question: dict[str, object], names: Sequence[str] | None, taken: Taken
    ) -> None:
        self._questions.append(names)
        taken.send(question)


def _moves_the_price(trade: Fields) -> bool:
    conditions = trade.get("c")
    if not isinstance(conditions, list):
        return True
    average = _AVERAGE in conditions and trade.get("z") != "C"
    return not average and _NO_LAST.isdisjoint(c for c in conditions if isinstance(c, str))


def _feed(access: Access) -> str:
    return access.options.get("feed", FEEDS[0])


def _observed(feed: str, symbol: Symbol, last: float, at: int) -> Observation:
    exchange = "IEX" if feed == "iex" else "US"
    delay = DELAY_SECONDS if feed == "delayed_sip" else None
    return Observation(symbol, last, at, exchange, "USD", delay is not None, delay)


def _request(access: Access, symbols: frozenset[Symbol]) -> Endpoint:
    query = urlencode({"symbols": ",".join(sorted(symbols)), "feed": _feed(access)})
    key, secret = access.key or "", access.secret or ""
    headers = (("APCA-API-KEY-ID", key), ("APCA-API-SECRET-KEY", secret))
    return Endpoint(f"{rest_address(access, REST)}{LATEST}?{query}", headers)


def _read(access: Access, symbols: frozenset[Symbol], status: int, body: bytes, _wall: int) -> Turn:
    if status == BAD_REQUEST:
        words = words_of(body) or ""
        named = [symbol for symbol in symbols if symbol in words.split()]
        if named:  # and the others are asked for again
            refused = [Refused(symbol, INVALID_SYMBOL, words) for symbol in named]
            return Turn(events=(*refused, Trouble("status_400", "a symbol that is none")))
    return answered(NAME, status, body, partial(_snapshots, access, symbols))


def _snapshots(access: Access, symbols: frozenset[Symbol], answer: object, taken: Taken) -> None:
    known = fields(answer, "the answer")
    for symbol in sorted(symbols):
        snapshot = known.get(symbol)
        if snapshot is None or (isinstance(snapshot, dict) and not snapshot.get("latestTrade")):
            taken.tell(Refused(symbol, UNKNOWN_SYMBOL, "Alpaca has no trade of it"))
            continue
        try:
            told = fields(snapshot, "a snapshot")
            trade = fields(told["latestTrade"], "a trade")
            if not _moves_the_price(trade):
                continue
            last, at = price(trade.get("p"), symbol), iso(trade.get("t"), symbol)
            seen = _observed(_feed(access), symbol, last, at)
            seen = msgspec.structs.replace(seen, top=_top(seen, told.get("latestQuote"), taken))
            taken.price(_with_its_day(seen, told, taken))
        except Unreadable as unreadable:
            taken.left_out(unreadable)


def _top(seen: Observation, quote: object, taken: Taken) -> TopOfBook | None:
    """The latest quote, where it is not from before the trade. Zero is a side without anybody."""
    if not isinstance(quote, dict):
        return None
    try:
        at = iso(quote.get("t"), seen.symbol)
    except Unreadable as unreadable:
        taken.left_out(Unreadable(OPTIONAL_FIELD, f"the latest quote: {unreadable}"))
        return None
    if at < seen.timestamp:
        return None
    when = None if at == seen.timestamp else at
    return taken.top(seen.symbol, seen.price, bid=quote.get("bp"), ask=quote.get("ap"), at=when)


def _with_its_day(seen: Observation, snapshot: Fields, taken: Taken) -> Observation:
    """Until the first trade in the hours of a day its bar is still that of the day before."""
    day, before = snapshot.get("dailyBar"), snapshot.get("prevDailyBar")
    if not isinstance(day, dict):
        return seen
    symbol, last = seen.symbol, seen.price
    try:
        end = iso(day.get("t"), symbol) + _DAY_MS
    except Unreadable as unreadable:
        taken.left_out(Unreadable(OPTIONAL_FIELD, f"the day's bar: {unreadable}"))
        return seen
    if seen.timestamp >= end:
        close = taken.close(symbol, last, day.get("c"))
        return msgspec.structs.replace(seen, previous_close=close)
    figures = taken.day(
        symbol, last, high=day.get("h"), low=day.get("l"), open_=day.get("o"), volume=day.get("v")
    )
    closed = before.get("c") if isinstance(before, dict) else None
    close = taken.close(symbol, last, closed)
    return msgspec.structs.replace(seen, previous_close=close, figures=figures)


def _check(access: Access) -> str | None:
    feed = _feed(access)
    return None if feed in FEEDS else f"feed={feed[:16]} is none of {', '.join(FEEDS)}"


def _adapted(provider: PushProvider, access: Access) -> PushProvider:
    """A feed's limits, and what there is by it."""
    feed = _feed(access)
    latest = Latest(_request, partial(_read, access), calls=CALLS)
    if feed == "test":
        return replace(provider, starters=("FAKEPACA",), latest=None)
    limits = replace(provider.limits, symbols=None) if feed == "sip" else provider.limits
    return replace(provider, latest=latest, limits=limits)


ALPACA = PushProvider(
    scheme="alpaca",
    name=NAME,
    address=ADDRESS,
    silence=None,
    endpoint=lambda access: Endpoint(access.url or ADDRESS + _feed(access)),
    codec=AlpacaCodec,
    needs_key=True,
    needs_secret=True,
    options=frozenset({"feed"}),
    starters=("AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "SPY"),
    # Without a plan, 30 symbols and 200 calls a minute.
    limits=PushLimits(symbols=30, connects=Bucket(15, 1 / 2), messages=Bucket(10, 5)),
    latest=Latest(_request, partial(_read, Access()), calls=CALLS),
    check=_check,
    adapted=_adapted,
)
