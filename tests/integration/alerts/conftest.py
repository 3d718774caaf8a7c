"""Fixtures: a price API that the test leads, and a receiver of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.alerts.receiver import Receiver
from tests.integration.delivery.upstream import PriceApi, started_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio


@pytest.fixture
async def price_api(nursery: trio.Nursery) -> AsyncIterator[PriceApi]:
    """A price API with two symbols, on a free port."""
    async with started_api(nursery, AAPL=90.0, MSFT=300.0) as api:
        yield api


@pytest.fixture
async def receiver(nursery: trio.Nursery) -> AsyncIterator[Receiver]:
    """A receiver of webhooks, on a free port; takes what comes."""
    receiver = Receiver()
    await receiver.start(nursery)
    yield receiver
    await receiver.stop()
