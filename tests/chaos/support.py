"""Seeds of chaos tests: random, printed when a test fails, repeatable."""

from __future__ import annotations

import os
import random


def chosen_seed() -> int:
    """A seed that pytest shows when the test fails; CHAOS_SEED repeats one."""
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={seed}")
    return seed
