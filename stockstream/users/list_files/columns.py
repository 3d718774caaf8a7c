"""Columns of a table, found by the names that people and brokers give them. No I/O."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS: Mapping[str, Sequence[str]] = {
    "symbol": ("symbol", "ticker", "ticker symbol", "instrument", "symbol/isin", "symbol/cusip"),
    "section": ("section", "group"),
    "quantity": ("quantity", "shares", "qty", "units", "qty (quantity)", "no. of shares"),
    "cost": (
        "cost",
        "purchase price",
        "cost per share",
        "cost/share",
        "unit cost",
        "average cost",
        "avg cost",
        "avg. cost",
        "average price",
        "avg price",
        "avg. price",
        "average cost basis",
        "avg cost basis",
        "cost basis price",
        "cost price",
        "price paid",
        "fill price",
        "price / share",
        "t. price",
    ),
    "total": ("cost basis total", "total cost basis", "cost basis", "total cost", "book cost"),
    "price": ("price", "price per share", "unit price"),
    "fee": ("commission", "fees", "fee", "comm/fee", "fees & comm"),
    "currency": ("currency", "ccy", "currency (price / share)", "currencyprimary"),
    "kind": ("transaction type", "trans code", "action", "side", "buy/sell"),
    "type": ("type", "transaction", "transactiontype", "activity", "activity type", "b/s"),
    "status": ("status", "order status"),
    "date": (
        "trade date",
        "activity date",
        "date acquired",
        "acquisition date",
        "purchase date",
        "run date",
        "transaction date",
        "closing time",
        "date/time",
        "time",
        "date",
    ),
    "asset": ("asset type", "security type", "asset category", "asset class", "assetclass"),
    "about": ("description", "name", "product"),
}
"""Our name of a column, and those of others, the best first. `cost` is of one, `total` of all; a
`price` is what a trade cost, and else what one costs today. A `type` may be that of a trade, which
its cells tell."""
NUMBERS = ("quantity", "cost", "total", "price", "fee")
_UNITS = re.compile(r"\(\$\)|[$#*]")


def head_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line that may be a heading."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []  # a cell of more than 128 KB names no column


def columns_of(head: Sequence[str]) -> dict[str, int]:
    """The places of the columns that are known, by our names of them."""
    names = [" ".join(_UNITS.sub("", name.casefold()).split()) for name in head]
    found = {}
    for column, known in COLUMNS.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None:
            found[column] = place
    return found
