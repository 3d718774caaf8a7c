"""Seeds of chaos tests, printed when a test fails and repeatable; and what a client notices."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.client import Client
    from tests.support.stopwatch import Stopwatch


def chosen_seed() -> int:
    """A seed that pytest shows when the test fails; CHAOS_SEED repeats one."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")
    return seed


async def pause(client: Client, since: Stopwatch) -> float:
    """Seconds from then until the client had a price of something it subscribes to."""
    await client.wait_for(lambda: max(client.price_times.values()) > since.at)
    return since.until(max(client.price_times.values()))
