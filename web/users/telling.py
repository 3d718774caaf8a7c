"""What pages of accounts tell of sessions, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.times import to_datetime
from stockstream.users.roles import Scope

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


TOLD_SCOPES: Mapping[Scope, str] = {
    Scope.PRICES_READ: "quotes, symbols, the WebSocket",
    Scope.HISTORY_READ: "history, ticks, indicators",
    Scope.ALERTS_WRITE: "your lists, rules and fired alerts",
    Scope.METRICS_READ: "metrics and the state of the cluster",
    Scope.ADMIN_READ: "what the page of operations shows",
    Scope.ADMIN_WRITE: "log levels",
    Scope.CHAOS_RUN: "faults on purpose",
    Scope.USERS_WRITE: "accounts, sessions and tokens of everybody, and the audit",
    Scope.LOAD: "no limits by address, for load tests",
}
"""What a token with each scope is for."""

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
