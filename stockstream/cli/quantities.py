"""Durations and rates of a command line; a bad one is refused by the name of its option."""

from __future__ import annotations

from stockstream.chaos.quantities import parse_duration, parse_rate
from stockstream.errors import UsageError


def duration(text: str, option: str = "") -> float:
    """Seconds, 0 or more.

    Raises:
        UsageError: it is no duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{_named(option)}{error}") from error


def positive_duration(text: str, option: str = "") -> float:
    """Seconds, more than 0.

    Raises:
        UsageError: it is no such duration.
    """
    seconds = duration(text, option)
    if seconds <= 0:
        raise UsageError(f"{_named(option)}{text!r} is no time at all; write 250ms, 2s or 1.5m")
    return seconds


def rate_of(text: str, option: str = "") -> float:
    """Events per second.

    Raises:
        UsageError: it is no rate.
    """
    try:
        return parse_rate(text)
    except ValueError as error:
        raise UsageError(f"{_named(option)}{error}") from error


def _named(option: str) -> str:
    return f"{option}: " if option else ""
