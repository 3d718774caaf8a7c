"""What pages of accounts tell of sessions, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.alerts.moving import Moved

_BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("FxiOS/", "Firefox"),
    ("Safari/", "Safari"),
)
"""By what only they say of themselves, the imitated ones last."""
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
MOST_SHOWN = 60


def told_time(ms: int) -> str:
    """A time of day, to the minute."""
    return to_datetime(ms).strftime("%-d %b %Y, %H:%M UTC")


def told_agent(agent: str) -> str:
    """A browser and its system, as far as they say; else what it calls itself."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    if browser is None:
        return agent[:MOST_SHOWN] or "a program that says nothing of itself"
    return browser if system is None else f"{browser} on {system}"


_KINDS = ("lists", "rules", "alerts", "renamed", "left")
_LONGEST_COUNT = 6


def counts_of(moved: Moved) -> dict[str, int]:
    """What came along with a login, as an address tells it."""
    left = len(moved.lists_left) + moved.rules_left
    counts = (moved.lists, moved.rules, moved.alerts, len(moved.renamed), left)
    return {kind: count for kind, count in zip(_KINDS, counts, strict=True) if count}


def read_counts(values: Mapping[str, str]) -> dict[str, int]:
    """The same, from an address that anybody may have written: numbers, whatever is in it."""
    told = {kind: values.get(kind, "") for kind in _KINDS}
    return {
        kind: int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_COUNT else 0
        for kind, text in told.items()
    }
