"""Durations and rates as people write them, and percentiles. Pure."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*(s|m|min|h))?")


def parse_duration(text: str) -> float:
    """Seconds from `250ms`, `2s`, `1.5m` or a plain number of seconds.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write 250ms, 2s, 1.5m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def parse_rate(text: str) -> float:
    """Events per second from `2/s`, `30/m` or a plain number.

    Raises:
        ValueError: it is none, or 0.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError(f"{text!r} is no rate; write 2/s or 30/m")
    return float(found[1]) / _UNITS[found[2] or "s"]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` so that at least `share` (0 to 1) of them are not above it.

    The nearest-rank definition: always one of the values. Raises ValueError for none.
    """
    if not values:
        raise ValueError("no values, so no percentile")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
