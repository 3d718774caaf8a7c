"""What well-known price APIs answer, cut short: the body, and what of it is to be named.

None of them is read but those that `WORKING` holds: fields are not mapped.
"""

from __future__ import annotations

import json

AT = 1_795_953_202

WORKING = {
    "our own list": {"prices": [{"symbol": "AAPL", "price": 1.5, "timestamp": AT}]},
    "FMP /quote": [
        {
            "symbol": "AAPL",
            "name": "Apple Inc.",
            "price": 228.5,
            "changesPercentage": 0.5,
            "exchange": "NASDAQ",
            "volume": 5,
            "earningsAnnouncement": None,
            "timestamp": AT,
        }
    ],
    "numeric exchanges": [{"symbol": "AAPL", "price": 1, "timestamp": AT * 1000, "exchange": 4}],
    "times in texts": [{"symbol": "AAPL", "price": "1.5", "timestamp": str(AT * 1000)}],
}

SHAPES: dict[str, tuple[object, str]] = {
    "Finnhub quote": (
        {"c": 261.7, "d": 1.2, "dp": 0.4, "h": 263, "l": 260, "o": 261, "pc": 259, "t": AT},
        "no symbol; its fields are c, d, dp, h, l, o, pc, t",
    ),
    "Finnhub trade": (
        {"data": [{"p": 7296.8, "s": "BINANCE:BTCUSDT", "t": AT * 1000}], "type": "trade"},
        "its fields are data (a list), type",
    ),
    "Alpaca snapshots": (
        {"AAPL": {"latestTrade": {"p": 1}}, "MSFT": {"latestTrade": {"p": 2}}},
        "its fields are AAPL (an object), MSFT (an object)",
    ),
    "Alpaca snapshot": (
        {"symbol": "AAPL", "latestTrade": {"t": "2026-11-29T00:00:00Z", "p": 1}, "minuteBar": {}},
        "AAPL has no price; its fields are symbol, latestTrade (an object), minuteBar (an object)",
    ),
    "Alpaca latest trades": ({"trades": {"AAPL": {"p": 1}}}, "its fields are trades (an object)"),
    "Alpaca latest quotes": (
        {"quotes": {"AAPL": {"ap": 1}}},
        '"quotes" is an object, not a list of items; its fields are AAPL (an object)',
    ),
    "Twelve Data /price": ({"price": "228.5"}, "no symbol; its fields are price"),
    "Twelve Data batch": ({"AAPL": {"price": "1"}}, "its fields are AAPL (an object)"),
    "Twelve Data /quote": (
        {"symbol": "AAPL", "name": "Apple", "timestamp": AT, "close": "1", "is_market_open": True},
        "AAPL has no price; its fields are symbol, name, timestamp, close, is_market_open",
    ),
    "forex with a space": (
        {"symbol": "USD JPY", "price": 1, "timestamp": AT},
        "invalid symbol 'USD JPY'",
    ),
    "Twelve Data error": (
        {"code": 401, "message": "apikey parameter is incorrect", "status": "error"},
        "apikey parameter is incorrect",
    ),
    "Polygon snapshot": (
        {"status": "OK", "count": 1, "tickers": [{"ticker": "AAPL", "lastTrade": {"p": 1}}]},
        "its fields are status, count, tickers (a list)",
    ),
    "Polygon tickers alone": (
        [{"ticker": "AAPL", "lastTrade": {"p": 1, "t": AT * 10**9}, "updated": AT * 10**9}],
        "no symbol; its fields are ticker, lastTrade (an object), updated",
    ),
    "Polygon last trade": (
        {"results": {"T": "AAPL", "p": 1, "t": AT * 10**9}, "status": "OK"},
        "its fields are results (an object), status",
    ),
    "Polygon previous day": ({"ticker": "AAPL", "results": [{"c": 1}]}, "ticker, results (a list)"),
    "nanoseconds": (
        [{"symbol": "AAPL", "price": 1, "timestamp": AT * 10**9}],
        "timestamp of AAPL is 1795953202000000000, which is in nanoseconds",
    ),
    "microseconds": (
        [{"symbol": "AAPL", "price": 1, "timestamp": AT * 10**6}],
        "1795953202000000, which is in microseconds: seconds or milliseconds are read",
    ),
    "Alpha Vantage quote": (
        {"Global Quote": {"01. symbol": "IBM", "05. price": "1"}},
        "its fields are Global Quote (an object)",
    ),
    "Alpha Vantage limit": (
        {"Note": "Thank you! Our standard limit is 5 calls per minute with the key hunter2."},
        "Our standard limit is 5 calls per minute with the key ********.",
    ),
    "Yahoo v7": (
        {"quoteResponse": {"result": [{"regularMarketPrice": 1}], "error": None}},
        "its fields are quoteResponse (an object)",
    ),
    "Yahoo v8": ({"chart": {"result": [{"meta": {}}]}}, "its fields are chart (an object)"),
    "Coinbase exchange": (
        {"ask": "1", "bid": "1", "price": "1", "size": "1", "time": "2026-11-29T00:00:00Z"},
        "no symbol; its fields are ask, bid, price, size, time",
    ),
    "Coinbase v2": ({"data": {"amount": "1", "base": "BTC"}}, "its fields are data (an object)"),
    "Kraken": ({"error": [], "result": {"XXBTZUSD": {"c": ["1"]}}}, "error (a list), result (an"),
    "IEX batch": ({"AAPL": {"quote": {"latestPrice": 1}}}, "its fields are AAPL (an object)"),
    "IEX quote": (
        {"symbol": "AAPL", "latestPrice": 1, "latestUpdate": AT * 1000},
        "AAPL has no price; its fields are symbol, latestPrice, latestUpdate",
    ),
    "IEX tops": (
        [{"symbol": "AAPL", "lastSalePrice": 1, "lastUpdated": AT * 1000}],
        "AAPL has no price; its fields are symbol, lastSalePrice, lastUpdated",
    ),
    "Tiingo": (
        [{"ticker": "AAPL", "timestamp": "2026-11-29T00:00:00+00:00", "last": 1, "tngoLast": 1}],
        "no symbol; its fields are ticker, timestamp, last, tngoLast",
    ),
    "FMP error": ({"Error Message": "Limit Reach . Please upgrade"}, "Limit Reach ."),
    "FMP /quote-short": (
        [{"symbol": "AAPL", "price": 1, "volume": 5}],
        "AAPL has no timestamp; its fields are symbol, price, volume",
    ),
    "Marketstack": (
        {"pagination": {"limit": 1}, "data": [{"symbol": "AAPL", "close": 1}]},
        "its fields are pagination (an object), data (a list)",
    ),
    "Binance 24hr": (
        [{"symbol": "BTCUSDT", "lastPrice": "1", "closeTime": AT * 1000}],
        "BTCUSDT has no price; its fields are symbol, lastPrice, closeTime",
    ),
    "Binance ticker/price": (
        [{"symbol": "BTCUSDT", "price": "1"}],
        "BTCUSDT has no timestamp; its fields are symbol, price",
    ),
    "Bitstamp": (
        {"timestamp": str(AT), "last": "1", "pair": "BTC/USD"},
        "no symbol; its fields are timestamp, last, pair",
    ),
    "Bitget": (
        {"code": "00000", "msg": "success", "data": [{"symbol": "BTCUSDT", "lastPr": "1"}]},
        "its fields are code, msg, data (a list)",
    ),
    "Bitfinex": ([["tBTCUSD", 1, 2]], "item 0: a list, not an object"),
    "a list of texts": (["the key hunter2 is not valid"], "item 0: a text, not an object"),
    "CoinGecko": ({"bitcoin": {"usd": 1, "last_updated_at": AT}}, "its fields are bitcoin (an"),
    "brapi": (
        {"results": [{"symbol": "PETR4", "regularMarketPrice": 1}], "took": "1ms"},
        "its fields are results (a list), took",
    ),
    "OANDA": ({"prices": {"EUR_USD": 1}}, '"prices" is an object, not a list of items'),
    "OANDA list": (
        {"prices": [{"instrument": "EUR_USD", "time": "2026-11-29T00:00:00Z", "bids": []}]},
        "no symbol; its fields are instrument, time, bids (a list)",
    ),
    "Robinhood": (
        {"results": [{"last_trade_price": "1", "symbol": "AAPL"}]},
        "its fields are results (a list)",
    ),
    "Nasdaq": (
        {"data": None, "status": {"rCode": 400, "bCodeMessage": [{"errorMessage": "No symbol"}]}},
        "'server_said': 'No symbol'",
    ),
    "Schwab": ({"AAPL": {"quote": {"lastPrice": 1}}}, "its fields are AAPL (an object)"),
    "symbols and prices": ({"AAPL": 1.5, "MSFT": 2.5}, "its fields are AAPL, MSFT"),
    "Tradier": (
        {"quotes": {"quote": [{"symbol": "AAPL", "last": 1}]}},
        '"quotes" is an object, not a list of items; its fields are quote (a list)',
    ),
    "nothing": ([], "the list is empty"),
    "Stooq": (b"Symbol,Date,Time,Close\nAAPL.US,2026-11-29,22:00:00,1\n", "Symbol,Date,Time,Close"),
    "lines of JSON": (b'{"symbol":"A"}\n{"symbol":"B"}\n', "not JSON"),
    "XML": (b"<?xml version='1.0'?><quotes><q s='A'>1</q></quotes>", "the body is XML, not JSON"),
    "a page": (b"<!DOCTYPE html><title>Sign in</title>", "'server_said': 'Sign in'"),
}


def body_of(shape: object) -> bytes:
    """As it is sent."""
    return shape if isinstance(shape, bytes) else json.dumps(shape).encode()
