"""Symbols as other programs write them, with an exchange before or after, and ours. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from stockstream.quotes import InvalidSymbol, Symbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = frozenset(
    {"NASDAQ", "NYSE", "AMEX", "ARCA", "NYSEARCA", "BATS", "CBOE", "OTC", "OTCMKTS"}
    | {"NMS", "NYQ", "ASE", "PCX", "BTS", "SIM"}
)
"""Exchanges whose symbols stand alone."""
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "LSE": (".L",),
    "LSIN": (".IL",),
    "XETR": (".DE",),
    "FWB": (".F",),
    "SWB": (".SG",),
    "EURONEXT": (".PA", ".AS", ".BR", ".LS", ".IR"),
    "MIL": (".MI",),
    "BME": (".MC",),
    "SIX": (".SW",),
    "VIE": (".VI",),
    "OMXSTO": (".ST",),
    "OMXCOP": (".CO",),
    "OMXHEX": (".HE",),
    "OSL": (".OL",),
    "GPW": (".WA",),
    "TSX": (".TO",),
    "TSXV": (".V",),
    "NEO": (".NE",),
    "TSE": (".T",),
    "HKEX": (".HK",),
    "SSE": (".SS",),
    "SZSE": (".SZ",),
    "KRX": (".KS", ".KQ"),
    "TWSE": (".TW",),
    "SGX": (".SI",),
    "ASX": (".AX",),
    "NZX": (".NZ",),
    "NSE": (".NS",),
    "BSE": (".BO",),
    "BMFBOVESPA": (".SA",),
    "BMV": (".MX",),
    "JSE": (".JO",),
    "TASE": (".TA",),
}
"""What is written after the symbol, in place of the exchange before it."""
PAIRS = frozenset(
    {"COINBASE", "BINANCE", "BINANCEUS", "KRAKEN", "BITSTAMP", "BITFINEX", "GEMINI", "CRYPTO"}
    | {"OKX", "BYBIT", "KUCOIN", "FX", "FX_IDC", "OANDA", "FOREXCOM", "SAXO"}
)
"""Where a symbol is two currencies without anything between."""
MONEY = (
    *("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD"),
    *("BTC", "ETH", "DAI", "TRY", "BRL"),
)
LONGEST_SHOWN = 80


class Unmapped(ValueError):
    """A text that is no symbol here; it goes to who gave it."""


class Listed(msgspec.Struct, frozen=True):
    """The symbols that the feeds list, with their exchanges; `complete` if there are no others."""

    exchanges: Mapping[str, str | None] = {}
    complete: bool = False


def mapped(text: str, listed: Listed) -> Symbol:
    """Our symbol for one that another program wrote.

    Raises:
        Unmapped: it is none, its exchange is not known, or there are several.
    """
    if any(sign in text for sign in "*+()") or ("/" in text and ":" in text):
        raise Unmapped("a calculation with symbols, not a symbol")
    # Also as we write it: `/0` would be `-0`.
    if any(_is_number(form) for form in (text, text.strip().replace("/", "-"))):
        raise Unmapped("a number; write the exchange before a symbol of digits, as TSE:7203")
    symbol = read_symbol(text)
    exchange, _, name = symbol.rpartition(":")
    if symbol in listed.exchanges:
        return symbol
    if not exchange:
        return _plain(symbol, listed)
    forms = dict.fromkeys(_forms(exchange, name))
    for form in (name, *forms):
        if (listed.exchanges.get(form) or "").upper() == exchange:
            return Symbol(form)
    there = [form for form in forms if form in listed.exchanges]
    if len(there) == 1:
        return Symbol(there[0])
    if not forms:
        raise Unmapped(f"the exchange {exchange} is not known here")
    if len(there) > 1:
        raise Unmapped(f"it may be {' or '.join(there)}")
    if listed.complete:
        raise Unmapped(f"no feed lists {' or '.join(forms)}")
    if len(forms) > 1 and exchange not in PLAIN:
        raise Unmapped(f"it may be {' or '.join(forms)}; write which")
    return Symbol(next(iter(forms)))


def _plain(symbol: Symbol, listed: Listed) -> Symbol:
    """One without an exchange that no feed lists as it is written: `BRK/B` may be `BRK.B`."""
    others = [symbol.replace("-", "."), symbol.replace(".", "-")]
    there = {form for form in others if form in listed.exchanges}
    if len(there) == 1:
        return Symbol(there.pop())
    if listed.complete:
        raise Unmapped(f"no feed lists {symbol}")
    return symbol


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "", 1).lstrip("-").isdecimal()


def read_symbol(text: str) -> Symbol:
    """A symbol as we write it.

    Raises:
        Unmapped: it is none.
    """
    try:
        return parse_symbol(text)
    except InvalidSymbol as error:
        raise Unmapped(error.reason) from error


def prefixed(symbol: str, listed: Listed) -> str:
    """A symbol with its exchange before it, where that leads back to the same symbol."""
    exchange = (listed.exchanges.get(symbol) or "").upper()
    if ":" in symbol:
        return symbol
    bare = symbol.partition(".")[0] if exchange in SUFFIXES else symbol
    names = (symbol.replace("-", ""), bare) if exchange in PAIRS else (bare, symbol)
    for text in [f"{exchange}:{name}" for name in names]:
        try:
            if exchange and mapped(text, listed) == symbol:
                return text
        except Unmapped:
            continue
    return symbol


def _forms(exchange: str, name: str) -> Iterator[str]:
    """What a symbol of this exchange may be called here."""
    if exchange in PLAIN:
        yield name
        yield name.replace(".", "-")
    if exchange == "HKEX" and name.isdecimal():
        name = name.zfill(4)
    for suffix in SUFFIXES.get(exchange, ()):
        yield f"{name}{suffix}"
    if exchange in PAIRS:
        for money in MONEY:
            if name.endswith(money) and len(name) > len(money):
                yield f"{name.removesuffix(money)}-{money}"
                return
