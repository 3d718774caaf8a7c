"""What brokers write beside what is held: cash, totals, notes, options, other parts of a statement,
sales. No I/O.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from stockstream.users.list_files.names import LONGEST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Kind = Literal["held", "bought", "sold"]
"""What a line tells: what is held, or a trade."""

CASH = "cash, not a symbol"
TOTAL = "a line of totals"
NOTE = "a note, not a line of the table"
OPTION = "an option; only what it is on can be watched"
ISIN = "an ISIN, not a symbol; write the symbol"
CUSIP = "a CUSIP, not a symbol; write the symbol"
OTHER_PART = "another part of the statement; what is held is read, or else what was traded"
DETAIL = "a detail or a total of what is held or traded"
HEADING = "the heading once more"
OTHER_TABLE = "another table begins here and is not read; import it by itself"
NOT_DONE = "an order that was not carried out, or not all of it"
FUTURE = "a future or currency, whose price is not that of one"

_CASH = re.compile(
    # Schwab, E*TRADE and others; Yahoo (`$$CASH_TX`); Fidelity marks the funds that cash rests in
    # with stars; DEGIRO has a line for each currency.
    r"cash|cash[ ,:&(+-].*|total cash.*|money market.*|core cash.*|uninvested.*"
    r"|[a-z]{0,5}\*{2,3}|\$+(cash|usd|eur|gbp|chf|cad)\w*"
    r"|pending activity|settlement fund.*|sweep.*",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"((account|positions?|portfolio|grand|sub|all)[ -]?)*totals?\b.*", re.IGNORECASE
)
_HELD_AS_CASH = re.compile(r"held in (money market|fcash).*", re.IGNORECASE)
_OPTION = re.compile(
    r"-?[A-Z.]{1,6} ?[0-9]{6}[CP][0-9]+(\.[0-9]+)?"
    r"|[A-Z.]{1,6} .*[0-9].* (C|P|CALL|PUT)",
    re.IGNORECASE,
)
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_CUSIP = re.compile(r"[0-9]{3}[A-Z0-9]{5}[0-9]")
_BOUGHT = re.compile(
    r"(you )?(buy|bought|purchased?|((market|limit|stop) )+buy|reinvest\w*)\b.*", re.IGNORECASE
)
_SOLD = re.compile(r"(you )?(sell|sold|sale|((market|limit|stop) )+sell)\b.*", re.IGNORECASE)
_OF_OPTIONS = re.compile(r".*\bto[ _](open|close)\b.*", re.IGNORECASE)
_NOT_DONE = re.compile(
    r"(un|not |partial|part)[a-z]*[ -]?(filled|executed).*"
    r"|(cancel|reject|expire|replace|suspend|fail|pend)\w*.*"
    r"|(open|new|placed|placing|working|queued|accepted|submitted|inactive)\b.*",
    re.IGNORECASE,
)
_HELD = frozenset({"", "long", "short", "hold", "held"})
_PARTS = {"open positions": "summary", "trades": "order"}
"""Parts of a statement that tell symbols, the best first, and which of their lines do."""
_LONGEST_PART = 32
_NO_SHARES = ("future", "forex", "warrant")
_NUMBERS_OF_SECURITIES = frozenset({"isin", "wkn", "cusip", "sedol"})
_CLASS = re.compile(r"([A-Z]{1,5}) ([A-Z]{1,2})")


def kind_of(text: str) -> Kind | None:
    """What a line tells, by what its column says of that; None for neither."""
    text = text.strip()
    if text.casefold() in _HELD:
        return "held"
    if _OF_OPTIONS.fullmatch(text):
        return None
    return "bought" if _BOUGHT.fullmatch(text) else "sold" if _SOLD.fullmatch(text) else None


def is_not_done(status: str) -> bool:
    """Whether an order with this status bought or sold nothing, or less than it says."""
    return _NOT_DONE.fullmatch(status.replace("_", " ").strip()[:LONGEST_SHOWN]) is not None


def why_left_out(
    symbol: str | None, row: Sequence[str], asset: str | None, about: str | None
) -> str | None:
    """Why a line of a table tells no symbol; None where it may.

    `symbol` is its cell of that, `asset` and `about` what the line says of it.
    """
    said = [cell.strip() for cell in row if cell.strip()]
    first = symbol or (said[0] if said else "")
    if _TOTAL.fullmatch(first):
        return TOTAL
    cash = asset is not None and "cash" in asset.casefold()
    if cash or _CASH.fullmatch(first) or (about and _HELD_AS_CASH.fullmatch(about)):
        return CASH
    if len(said) == 1 and " " in first:
        return NOTE
    if symbol is None or len(symbol) > LONGEST_SHOWN:
        return None  # the search for options is not for texts of any length
    if (asset is not None and "option" in asset.casefold()) or _OPTION.fullmatch(symbol):
        return OPTION
    if asset is not None and asset.casefold().startswith(_NO_SHARES):
        return FUTURE
    return ISIN if is_isin(symbol) else CUSIP if is_cusip(symbol) else None


def with_class(symbol: str) -> str:
    """A symbol whose class stands behind a blank, `BRK B`, with the usual sign between."""
    return _CLASS.sub(r"\1/\2", symbol) if _CLASS.fullmatch(symbol) else symbol


def lacks_symbols(head: Sequence[str], known: Collection[str]) -> bool:
    """Whether it is the heading of a table that has no column of symbols, by those `known` of it.

    Three are asked for: `COST` and `TIME` are symbols as well.
    """
    if "symbol" in known:
        return False
    numbered = any(name.strip().casefold() in _NUMBERS_OF_SECURITIES for name in head)
    return len(known) >= 3 or (numbered and len(known) >= 1)


def is_isin(text: str) -> bool:
    """Whether it is a number of a security, with its digit of control."""
    if not _ISIN.fullmatch(text):
        return False
    digits = [int(digit) for letter in text for digit in str(int(letter, 36))]
    doubled = (
        sum(divmod(2 * digit, 10)) if place % 2 else digit
        for place, digit in enumerate(reversed(digits))
    )
    return sum(doubled) % 10 == 0


def is_cusip(text: str) -> bool:
    """Whether it is a number of an American security that begins with digits, with its control."""
    if not _CUSIP.fullmatch(text):
        return False
    found = [int(letter, 36) * (1 + place % 2) for place, letter in enumerate(text[:-1])]
    return (10 - sum(sum(divmod(each, 10)) for each in found) % 10) % 10 == int(text[-1])


def is_of_trades(heading: str) -> bool:
    """Whether lines below the heading of a part are trades, whose quantity says which way."""
    return heading[:_LONGEST_PART].casefold().startswith("trades,")


def told_part(
    lines: Sequence[str],
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]] | None:
    """Of a statement whose lines begin with the names of its parts: the lines of what is held, or
    of what was traded, by their places, the heading first; and with each place why others are left
    out, its other parts once. None for what is no such statement.
    """
    folded = [text[:_LONGEST_PART].casefold() for text in lines]
    heads = {name: f"{name},header," for name in _PARTS}
    begin, name = next(
        (
            (at, name)
            for name, head in heads.items()
            for at, text in enumerate(folded)
            if text.startswith(head)
        ),
        (None, ""),
    )
    if begin is None:
        return None
    held, left = [(begin, lines[begin])], list[tuple[int, str]]()
    for at, text in enumerate(lines):
        if at == begin or text.strip() == "":
            continue
        part, *kind = [cell.strip().casefold() for cell in text.split(",")[:3]]
        if part != name:
            if not any(why == OTHER_PART for _, why in left):
                left.append((at, OTHER_PART))
        elif kind == ["data", _PARTS[name]]:
            held.append((at, text))
        else:
            left.append((at, DETAIL))
    return held, left
