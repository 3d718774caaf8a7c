"""Positions: what somebody holds of a symbol of a list, and what one of it has cost. No I/O.

Numbers are decimal texts here, and in the database numbers of jsonb, which are NUMERIC: nothing is
rounded.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

QUANTITY = r"-?(?=[0.]*[1-9])[0-9]{1,15}(\.[0-9]{1,12})?"
COST = r"[0-9]{1,15}(\.[0-9]{1,12})?"
CURRENCY = r"[A-Za-z]{3}"
_BOUNDS = "15 digits before the point and 12 after it at most"


class Position(msgspec.Struct, frozen=True):
    """So many of a symbol, and the cost of one where it is told. A `quantity` below 0 is a short
    position. Without a `currency` it is that of the price.
    """

    quantity: str
    cost: str | None = None
    currency: str | None = None


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A position in the database."""

    quantity: Decimal
    cost: Decimal | None = None
    currency: str | None = None


_encoder = msgspec.json.Encoder(decimal_format="number")


def wrong_in(position: Position) -> dict[str, str]:
    """What cannot be kept, by field."""
    wrong = {}
    if not re.fullmatch(QUANTITY, position.quantity):
        wrong["quantity"] = f"a decimal number that is not 0, {_BOUNDS}"
    if position.cost is not None and not re.fullmatch(COST, position.cost):
        wrong["cost"] = f"a decimal number that is not below 0, {_BOUNDS}"
    if position.currency is not None and not re.fullmatch(CURRENCY, position.currency):
        wrong["currency"] = "three letters"
    return wrong


def plain(position: Position) -> Position:
    """The same without zeros that say nothing; it has nothing wrong."""
    cost = None if position.cost is None else _text(Decimal(position.cost))
    return Position(_text(Decimal(position.quantity)), cost, position.currency)


def of_symbols(positions: Mapping[str, Position], symbols: Iterable[str]) -> dict[str, Position]:
    """Those of symbols that are on the list, in its order."""
    return {symbol: positions[symbol] for symbol in symbols if symbol in positions}


def read_kept(text: str) -> dict[str, Position]:
    """Positions as the database has them."""
    kept = msgspec.json.decode(text, type=dict[str, _Kept])
    return {
        symbol: Position(
            _text(it.quantity), None if it.cost is None else _text(it.cost), it.currency
        )
        for symbol, it in kept.items()
    }


def to_keep(positions: Mapping[str, Position]) -> str:
    """Positions as the database gets them."""
    kept = {
        symbol: _Kept(
            Decimal(it.quantity), None if it.cost is None else Decimal(it.cost), it.currency
        )
        for symbol, it in positions.items()
    }
    return _encoder.encode(kept).decode()


def _text(number: Decimal) -> str:
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
