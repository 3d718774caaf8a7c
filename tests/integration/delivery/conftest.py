"""Fixtures: a price API that the test leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivery.upstream import PriceApi, started_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio


@pytest.fixture
async def price_api(nursery: trio.Nursery) -> AsyncIterator[PriceApi]:
    """A price API with two symbols, on a free port."""
    async with started_api(nursery, AAPL=150.0, MSFT=310.0) as api:
        yield api
