"""Fixtures: a book that the test may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.alerts.support import writable_book

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.alerts.book import AlertBook


@pytest.fixture
def book() -> Iterator[AlertBook]:
    """An empty one."""
    with writable_book() as book:
        yield book
