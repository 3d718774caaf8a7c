"""Twelve Data's price stream: https://twelvedata.com/docs#websocket.

The key stands in the address, as the provider wants it. A subscription is answered once, with what
succeeded and what failed; that some did is a warning and no error. It wants to hear a heartbeat of
ours every 10 s. What is `RY:TSX` when it is asked for is told as `RY` with its exchange. By REST
errors come with status 200, and each symbol costs one of the credits of a minute.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from stockstream.market.optional_fields import LONGEST_NAME
from stockstream.market.providers.conversation import Conversation
from stockstream.market.providers.frames import (
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
from stockstream.market.providers.rest import (
    BAD_REQUEST,
    NOT_FOUND,
    OK,
    TOO_MANY,
    UNAUTHORIZED,
    answered,
    rest_address,
    too_often,
    wrong_key,
)
from stockstream.market.timestamps import TimeUnit
from stockstream.quotes import Observation
from stockstream.refusals import NOT_IN_PLAN, UNKNOWN_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stockstream.quotes import DayFigures, Symbol

NAME = "Twelve Data"
ADDRESS = "wss://ws.twelvedata.com/v1/quotes/price"
REST = "https://api.twelvedata.com"
QUOTE = "/quote"
HEARTBEAT_SECONDS = 10.0
CREDITS = 8
"""A minute, without a plan."""
_SYMBOL = re.compile(r"[A-Z0-9.]+(:[A-Z0-9]+)?")
_PAIR = re.compile(r"[A-Z0-9]{2,10}-[A-Z]{3,4}")
_AT_ONCE = 100
_LONGEST_LABEL = 32
_MOST_CREDITS = 100


class TwelveDataCodec(Conversation):
    """The conversation on one connection."""

    def __init__(self) -> None:
        super().__init__()
        self._beaten = 0.0
        self._questions: deque[Sequence[str]] = deque()

    def written(self, symbol: Symbol) -> str | None:
        """``AAPL`` and ``RY:TSX`` as they are, a pair as ``EUR/USD``."""
        return _written(symbol)

    def greet(self, taken: Taken) -> None:
        """Who has no key is not connected."""
        self._beaten = self._now
        self.let_in(taken)

    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Prices of these."""
        for piece in pieces(names, _AT_ONCE):
            self._questions.append(piece)
            self._ask_for("subscribe", piece, taken)

    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """End these."""
        for piece in pieces(names, _AT_ONCE):
            self._ask_for("unsubscribe", piece, taken)

    def tick(self, now: float, taken: Taken) -> None:
        """The heartbeat that it wants to hear."""
        if now - self._beaten >= HEARTBEAT_SECONDS:
            self._beaten = now
            taken.send({"action": "heartbeat"})

    def read(self, message: object, taken: Taken) -> None:
        """A price, or the answer to one of ours."""
        known = fields(message)
        match known.get("event"):
            case "price":
                self._price(known, taken)
            case "subscribe-status":
                self._subscribed(known, taken)
            case "heartbeat" | "unsubscribe-status" | "reset-status":
                pass
            case _ if known.get("status") == "error":
                self._error(_words(known), taken)
            case other:
                raise Unreadable(UNKNOWN_MESSAGE, f"a message {str(other)[:32]!r}")

    def _price(self, item: Fields, taken: Taken) -> None:
        name = self._named(item, self._wanted) or text(item.get("symbol"), "symbol")
        symbol = self.symbol(name)
        if symbol is not None:
            at = since_1970(item.get("timestamp"), name, TimeUnit.SECONDS)
            last = price(item.get("price"), name)
            figures = taken.day(symbol, last, volume=item.get("day_volume"))
            seen = _observed(symbol, name, last, at, item, figures)
            # Pairs of currencies come with them, stocks do not.
            top = taken.top(symbol, last, bid=item.get("bid"), ask=item.get("ask"))
            taken.price(seen if top is None else msgspec.structs.replace(seen, top=top))

    def _subscribed(self, answer: Fields, taken: Taken) -> None:
        good, bad = answer.get("success") or [], answer.get("fails") or []
        if not good and not bad and answer.get("status") == "error":
            self._error(_words(answer), taken)
            return
        question = self._questions.popleft() if self._questions else ()
        asked = self.asked
        for item in items(good, "success"):
            name = self._named(item, asked)
            self.acknowledge([] if name is None else [name], taken)
        for item in items(bad, "fails"):
            name = self._named(item, asked)
            words = said(item.get("message")) if isinstance(item, dict) else None
            why = _why(words or "")
            self.refuse([] if name is None else [name], why, words or "refused", taken)
        self.refuse(question, UNKNOWN_SYMBOL, "Twelve Data left it out of its answer", taken)

    def _named(self, item: object, names: Iterable[str]) -> str | None:
        """Which of `names` an item is of."""
        if not isinstance(item, dict) or not isinstance(item.get("symbol"), str):
            return None
        symbol = item["symbol"]
        places = (item.get("exchange"), item.get("mic_code"))
        for written in (*(f"{symbol}:{place}" for place in places if place), symbol):
            if written in names:
                return str(written)
        return None

    def _error(self, words: str, taken: Taken) -> None:
        lower = words.lower()
        if "apikey" in lower or "api key" in lower or "plan" in lower:
            taken.tell(wrong_key(NAME, words))
        elif "limit" in lower or "too many" in lower or "credits" in lower:
            taken.tell(too_often(NAME, words))
        else:
            raise Unreadable(UNKNOWN_ERROR, f"an error: {words}")

    def _ask_for(self, action: str, names: Sequence[str], taken: Taken) -> None:
        taken.send({"action": action, "params": {"symbols": ",".join(names)}})


def _written(symbol: Symbol) -> str | None:
    if _PAIR.fullmatch(symbol):
        return symbol.replace("-", "/")
    return symbol if _SYMBOL.fullmatch(symbol) else None


def _words(answer: Fields) -> str:
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else answer.get("message")
    return said(first) or "refused"


def _why(words: str) -> str:
    lower = words.lower()
    return NOT_IN_PLAN if "authorized" in lower or "plan" in lower else UNKNOWN_SYMBOL


def _observed(
    symbol: Symbol, name: str, last: float, at: int, item: Fields, figures: DayFigures | None
) -> Observation:
    exchange = said(item.get("exchange"))
    # A pair's currencies are told by their names, as people say them.
    currency = name.partition("/")[2] or said(item.get("currency"))
    return Observation(
        symbol,
        last,
        at,
        None if exchange is None else exchange[:_LONGEST_LABEL],
        None if currency is None else currency[:_LONGEST_LABEL],
        figures=figures,
    )


def _endpoint(access: Access) -> Endpoint:
    url = access.url or ADDRESS
    return Endpoint(f"{url}{'&' if '?' in url else '?'}apikey={quote(access.key or '', safe='')}")


def _request(access: Access, symbols: frozenset[Symbol]) -> Endpoint:
    names = sorted(_written(symbol) or symbol for symbol in symbols)
    headers = (("Authorization", f"apikey {access.key or ''}"),)
    url = f"{rest_address(access, REST)}{QUOTE}?{urlencode({'symbol': ','.join(names)})}"
    return Endpoint(url, headers)


def _read(symbols: frozenset[Symbol], status: int, body: bytes, _wall: int) -> Turn:
    # These say in the body which symbol they mean.
    status = OK if status in {BAD_REQUEST, NOT_FOUND} else status
    return answered(NAME, status, body, partial(_quotes, symbols))


def _quotes(symbols: frozenset[Symbol], answer: object, taken: Taken) -> None:
    """An object by symbol; of a single one, its own. An error is in the place of either."""
    known = fields(answer, "the answer")
    alone = len(symbols) == 1 and ("close" in known or known.get("status") == "error")
    if not alone and known.get("status") == "error":
        if known.get("code") != NOT_FOUND:
            taken.tell(_trouble(known))
            return
        known = dict.fromkeys((_written(one) or one for one in symbols), known)
    for symbol in sorted(symbols):
        name = _written(symbol) or symbol
        try:
            _quote(symbol, name, fields(known if alone else known.get(name, {}), "a quote"), taken)
        except Unreadable as unreadable:
            taken.left_out(unreadable)


def _quote(symbol: Symbol, name: str, item: Fields, taken: Taken) -> None:
    if item.get("status") == "error" and item.get("code") in (TOO_MANY, UNAUTHORIZED):
        taken.tell(_trouble(item))
    elif item.get("status") == "error" or not item:
        words = _words(item)
        taken.tell(Refused(symbol, _why(words), words))
    else:
        told = item.get("last_quote_at") or item.get("timestamp")
        at = since_1970(told, name, TimeUnit.SECONDS)
        last = price(item.get("close"), name)
        figures = taken.day(
            symbol,
            last,
            high=item.get("high"),
            low=item.get("low"),
            open_=item.get("open"),
            volume=item.get("volume"),
        )
        told_name = said(item.get("name"))
        taken.price(
            msgspec.structs.replace(
                _observed(symbol, name, last, at, item, figures),
                previous_close=taken.close(symbol, last, item.get("previous_close")),
                name=None if told_name is None else told_name[:LONGEST_NAME],
            )
        )


def _trouble(error: Fields) -> Trouble:
    words = _words(error)
    match error.get("code"):
        case 401 | 403:
            return wrong_key(NAME, words)
        case 429:
            return too_often(NAME, words)
        case _:
            return Trouble("refused", "Twelve Data refuses to answer", said=words)


def _check(access: Access) -> str | None:
    written = access.options.get("credits", str(CREDITS))
    good = written.isascii() and written.isdigit() and 1 <= len(written) <= 6 and int(written) > 0
    return None if good else f"credits={written[:16]} is no number of credits a minute"


def _latest(credits_: int) -> Latest:
    some = min(credits_, _MOST_CREDITS)
    return Latest(_request, _read, symbols=some, calls=Bucket(1, credits_ / some / 60))


def _adapted(provider: PushProvider, access: Access) -> PushProvider:
    return replace(provider, latest=_latest(int(access.options.get("credits", CREDITS))))


TWELVE_DATA = PushProvider(
    scheme="twelvedata",
    name=NAME,
    address=ADDRESS,
    silence=None,
    endpoint=_endpoint,
    codec=lambda _access: TwelveDataCodec(),
    needs_key=True,
    options=frozenset({"credits"}),
    starters=("AAPL", "MSFT", "NVDA", "EUR-USD", "BTC-USD"),
    # 8 symbols and one connection without a plan; with one, 3 connections. 100 messages of ours in
    # a while that is not said.
    limits=PushLimits(symbols=8, connections=3, connects=Bucket(3, 1 / 20), messages=Bucket(10, 1)),
    latest=_latest(CREDITS),
    check=_check,
    adapted=_adapted,
)
