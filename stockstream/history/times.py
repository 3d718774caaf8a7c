"""Milliseconds since 1970, as everything here has them, and what PostgreSQL's driver takes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# The ticks of a batch share a few moments among them.
@lru_cache(maxsize=4096)
def to_datetime(milliseconds: int) -> datetime:
    """The moment, exactly; UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


def to_ms(moment: datetime) -> int:
    """The moment in whole ms since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
