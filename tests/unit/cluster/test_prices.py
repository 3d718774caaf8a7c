"""Rows that came over the bus: what no price can be is refused before anything is done with it."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec
import pytest

from stockstream.cluster.codec import decode_told, encode
from stockstream.cluster.prices import Prices, taken
from stockstream.cluster.wire import MOST
from stockstream.quotes import (
    LATEST_TIMESTAMP,
    Base,
    Basis,
    DayFigures,
    Quote,
    Symbol,
    TopOfBook,
    Version,
)
from stockstream.statuses import ExchangeDay, QuoteRow, SymbolDay, Traded

NOW_MS = 1_764_000_000_000
BASE = Base(9.0, Basis.FIRST_SEEN, NOW_MS)
ROW = QuoteRow(
    Quote(
        Symbol("AAPL"),
        10.0,
        NOW_MS,
        None,
        None,
        False,
        Version(NOW_MS, 7),
        NOW_MS,
        figures=DayFigures(11.0, 9.0, 9.5, 1e6, rolling=True, at=NOW_MS),
        top=TopOfBook(9.9, 10.1, NOW_MS),
    ),
    9.0,
    8.0,
    steady=1_000,
    changed=900,
    base=BASE,
    day=SymbolDay(ExchangeDay("UTC", NOW_MS, NOW_MS), BASE, dated=True, settled=True),
    traded=Traded(5.0, 1e6),
)


def changed(row: QuoteRow, path: str, value: object) -> QuoteRow:
    """The row with another value at `a.b.c`."""
    *way, last = path.split(".")
    owners: list[Any] = [reduce(getattr, way[:depth], row) for depth in range(len(way) + 1)]
    for name, owner in zip([*way, last][::-1], owners[::-1], strict=True):
        if isinstance(owner, Version | Traded):
            value = owner._replace(**{name: value})
        else:
            value = msgspec.structs.replace(owner, **{name: value})
    assert isinstance(value, QuoteRow)
    return value


def heard(row: QuoteRow, sender_now: int = 0) -> tuple[QuoteRow, ...]:
    """What is taken of a message with that row, after it went over the bus."""
    message = decode_told(
        encode(Prices(name="rogue", boot=1, number=1, now=sender_now, rows=(row,)))
    )
    assert isinstance(message, Prices)
    return taken(message, now=0, wall=NOW_MS, known=()).rows


def test_a_price_is_taken_as_it_is() -> None:
    """With its last numbers too."""
    assert heard(ROW) == (ROW,)
    last = changed(ROW, "quote.version.seq", MOST)
    assert heard(last) == (last,)


def test_nodes_of_another_release_are_understood_without_figures() -> None:
    """One of before tells none, and leaves those out that it is told."""
    told = msgspec.msgpack.decode(
        encode(Prices(name="old", boot=1, number=1, now=0, rows=(ROW,))), type=dict
    )
    del told["rows"][0]["quote"]["figures"], told["rows"][0]["quote"]["top"]
    message = decode_told(msgspec.msgpack.encode(told))
    assert isinstance(message, Prices)
    bare = changed(changed(ROW, "quote.figures", None), "quote.top", None)
    assert message.rows == (bare,)
    told["rows"][0]["quote"]["not_yet_thought_of"] = {"high": 1.0}
    assert decode_told(msgspec.msgpack.encode(told)) == message


@pytest.mark.proves("N3")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        # One of the last number ended the buses and recorders of a whole cluster for good: the
        # version after it cannot be written.
        ("quote.version.seq", 2**64 - 1),
        ("quote.version.seq", MOST + 1),
        ("quote.version.seq", -1),
        ("quote.version.epoch", -1),
        ("quote.price", 0.0),
        ("quote.price", float("nan")),
        ("quote.timestamp", 0),
        ("quote.timestamp", LATEST_TIMESTAMP + 1),
        ("quote.received", -1),
        ("quote.received", 2**63),
        ("open", float("inf")),
        ("open", -1.0),
        ("previous", float("nan")),
        ("shift", -(2**63)),
        ("steady", 2**63),
        ("changed", -(2**63)),
        ("base.price", float("inf")),
        ("base.at", LATEST_TIMESTAMP + 1),
        ("base.at", -(2**63)),
        ("day.first.at", 2**63),
        ("quote.previous_close", float("nan")),
        ("quote.figures.high", float("inf")),
        ("quote.figures.low", 0.0),
        ("quote.figures.open", -1.0),
        ("quote.figures.volume", -1.0),
        ("quote.figures.volume", float("nan")),
        ("quote.figures.at", 2**63),
        ("quote.top.bid", 10.2),
        ("quote.top.bid", 0.0),
        ("quote.top.ask", float("inf")),
        ("quote.top.ask", float("nan")),
        ("quote.top.at", 2**63),
        ("traded.volume", -1.0),
        ("traded.volume", float("nan")),
        ("traded.volume", float("inf")),
        ("traded.counted", float("nan")),
        ("traded.counted", 1e300),
    ],
)
def test_what_no_price_can_be_is_refused(path: str, value: float) -> None:
    """Before it is in a table, where all that reads it would end."""
    with pytest.raises(ValueError, match="AAPL"):
        heard(changed(ROW, path, value))


@pytest.mark.parametrize("sender_now", [2**63 - 1, -(2**63), 2**64 - 1])
def test_a_clock_that_nobody_has_is_refused(sender_now: int) -> None:
    """The times of the rows would not be numbers that can be written."""
    with pytest.raises(ValueError, match="AAPL"):
        heard(ROW, sender_now)
