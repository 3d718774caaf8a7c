"""The witness of a cluster sees what must not be: a check that cannot fail shows nothing."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.cluster_check.witness import Book, Frame, Witness

EARLY, LATE = "2026-11-22T10:00:00.000Z", "2026-11-22T10:00:01.000Z"


def quote(version: tuple[int, int], price: float = 1.0, timestamp: str = LATE) -> dict[str, object]:
    return {"symbol": "S1", "price": price, "timestamp": timestamp, "version": version}


def prices(*quotes: dict[str, object]) -> Frame:
    return msgspec.convert({"type": "prices", "prices": quotes}, Frame)


async def violations(*connections: tuple[Frame, ...]) -> list[str]:
    """What one client finds wrong with what it is told on one connection after another."""
    book = Book(frozenset({"S1"}))
    witness = Witness("client", [], ["*"], book)
    for frames in connections:
        told: dict[str, tuple[int, int]] = {}
        for frame in frames:
            witness.take(frame, told)
    return witness.violations + book.violations


async def test_what_rises_is_right() -> None:
    """On a connection and over two of them; the same may be told again."""
    first, second = prices(quote((5, 1), 1.0, EARLY)), prices(quote((5, 2), 2.0))
    assert await violations((first, second, second), (second, prices(quote((6, 1), 3.0)))) == []


@pytest.mark.parametrize(
    ("connections", "says"),
    [
        (((quote((5, 2)),), (quote((5, 1)),)), "went from"),
        (((quote((5, 2), 1.0),), (quote((5, 2), 2.0),)), "and was"),
        (((quote((5, 2)),), (quote((5, 3), 1.0, EARLY),)), "is older"),
    ],
)
async def test_each_fault_is_found(
    connections: tuple[tuple[dict[str, object], ...], ...], says: str
) -> None:
    """Within a connection, and where it goes on elsewhere."""
    frames = tuple(prices(*quotes) for quotes in connections)
    assert any(says in found for found in await violations(frames))
    assert any(says in found for found in await violations(*((frame,) for frame in frames)))


async def test_a_version_has_one_price_whoever_tells_it() -> None:
    """Two clients compare."""
    book = Book(frozenset({"S1"}))
    for name, price in (("one", 1.0), ("other", 2.0)):
        Witness(name, [], ["*"], book).take(prices(quote((5, 1), price)), {})
    assert len(book.violations) == 1
