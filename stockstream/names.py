"""Names of the best known symbols, where a provider tells none: `names.csv`, written by hand. Pure.

A symbol without an exchange in it is one of the USA there, so it has no name where the provider
says that it trades in another currency, or elsewhere. Crypto and currencies are named as the pair.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE = Path(__file__).with_name("names.csv")
KINDS = ("stock", "fund", "coin", "currency")
_IN_THE_USA = re.compile(
    r"NASDAQ|NYSE|NEWYORK|XNAS|XNYS|XNGS|XNMS|XNCM|ARC[AX]|BATS|CBOE|IEX|AMEX|XASE|NMS|NGM|NCM|"
    r"NYQ|NYS|ASE|PCX|US$"
)
_CLASS_OF_SHARES = re.compile(r"([A-Z]+)[-.]([A-Z])")
_PAIR = re.compile(r"(?:[XC]:)?([A-Z0-9]{2,10})-([A-Z]{3,4})")
_CURRENCIES = re.compile(r"(?:C:)?([A-Z]{3})([A-Z]{3})(?:=X)?")
_US_DOLLAR = "USD"


class Known(NamedTuple):
    """The names of the file, by symbol: of securities, and of what pairs are made of."""

    securities: Mapping[str, str]
    coins: Mapping[str, str]
    currencies: Mapping[str, str]


@cache
def known() -> Known:
    """Read the file, once in a process."""
    by_kind: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    with _FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_kind[row["kind"]][row["symbol"]] = row["name"]
    return Known(by_kind["stock"] | by_kind["fund"], by_kind["coin"], by_kind["currency"])


@lru_cache(maxsize=1 << 16)
def bundled_name(symbol: str, exchange: str | None, currency: str | None) -> str | None:
    """The name of a symbol, if it is known and no other one's: see above."""
    names = known()
    pair = _PAIR.fullmatch(symbol)
    if pair is None and symbol.startswith("C:") | symbol.endswith("=X"):
        pair = _CURRENCIES.fullmatch(symbol)
    if pair is not None and (named := _pair(names, pair[1], pair[2])) is not None:
        return named
    prefix, _, plain = symbol.rpartition(":")
    name = names.securities.get(plain)
    if name is None and (shares := _CLASS_OF_SHARES.fullmatch(plain)) is not None:
        # BRK-B and BRK.B; a dot and a letter may be a stock exchange, so only of what is known.
        name = names.securities.get(f"{shares[1]}.{shares[2]}")
        plain = shares[1]
    if name is None or _says_where(plain):
        return name
    where = exchange or prefix or None
    if where is not None and _IN_THE_USA.match(re.sub(r"[^A-Z]", "", where.upper())) is None:
        return None
    return name if currency in {None, _US_DOLLAR} else None


def _says_where(symbol: str) -> bool:
    """Whether it has its stock exchange behind a dot; a class of shares is cut off before."""
    _, dot, behind = symbol.rpartition(".")
    return bool(dot) and not (len(behind) == 1 and behind in "ABC")


def _pair(names: Known, first: str, second: str) -> str | None:
    unit = names.currencies.get(second) or names.coins.get(second)
    thing = names.coins.get(first) or names.currencies.get(first)
    return None if unit is None or thing is None else f"{thing} / {unit}"


def all_bundled() -> Iterator[tuple[str, str]]:
    """Symbols and names that may be searched where no list says what there is."""
    names = known()
    yield from names.securities.items()
    for coin, name in names.coins.items():
        yield f"{coin}-{_US_DOLLAR}", f"{name} / {names.currencies[_US_DOLLAR]}"
