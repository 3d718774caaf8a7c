"""The table of stock prices among a stub's parameters: is each row one that can be drawn from?

A wrong row would be found only when somebody asks for prices, as a column of the template.
"""

import re
from typing import Final

from mockserver.json_types import Json, write_json
from mockserver.problems import FieldError, Reader

HIGHEST: Final = 1e12
_SYMBOL: Final = re.compile(r'[^\s,"\\\x00-\x1f]+(?: [^\s,"\\\x00-\x1f]+)*')
_NO_SYMBOL: Final = (
    "it goes into lists and JSON as it is, so no comma, quote, backslash, outer space"
)


def check_stocks(field: Reader) -> None:
    """Raise `FieldError` for the first wrong row, which it names by its symbol.

    Other people's stubs may have a parameter of this name; only rows with a range are looked at.
    """
    rows = field.value
    if not isinstance(rows, list) or not any(map(_has_range, rows)):
        return
    seen: set[str] = set()
    for row in field.items():
        members = row.object()
        symbol = members.get("symbol")
        if symbol is None or symbol.value in ("", None):
            raise row.fail("a row of stocks needs a symbol")
        name = symbol.value
        if not isinstance(name, str):
            raise symbol.fail(f"a symbol is text, not {write_json(name)}")
        if _SYMBOL.fullmatch(name) is None:
            raise symbol.fail(f"{write_json(name)} is no symbol: {_NO_SYMBOL}")
        if name in seen:
            raise symbol.fail(f"{name} is there twice")
        seen.add(name)
        low, high = (_bound(row, members, name, bound) for bound in ("from", "to"))
        if not low < high:
            raise members["from"].fail(f"{name}: from ({low:g}) must be below to ({high:g})")


def _has_range(row: Json) -> bool:
    return isinstance(row, dict) and bool({"from", "to"} & row.keys())


def _bound(row: Reader, members: dict[str, Reader], symbol: str, name: str) -> float:
    if name not in members:
        raise row.fail(f"{symbol}: {name} is missing")
    field = members[name]
    value = field.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise field.fail(f"{symbol}: {name} must be a number, not {write_json(value)}")
    if not 0 <= value <= HIGHEST:
        raise FieldError(field.pointer, f"{symbol}: {name} must be from 0 to {HIGHEST:g}")
    return float(value)
