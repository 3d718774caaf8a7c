"""What pages of accounts tell of sessions, in words. Pure."""

from __future__ import annotations

from stockstream.times import to_datetime

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
