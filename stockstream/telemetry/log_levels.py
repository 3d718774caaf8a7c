"""Levels of loggers that are lent for a while, and fall back by themselves.

A level stands on the standard library's logger, where structlog looks too, so it holds at once. The
leases are in a table: the actor `telemetry` writes it, and in each of its lives looks every second
which are over. Debug lines that somebody forgot end with their lease, whoever is killed meanwhile.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog

from stockstream import paths
from stockstream.times import Moment
from supervision import Request, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

Level = Literal["debug", "info", "warning", "error", "critical"]

LONGEST_SECONDS = 3_600.0
"""Who wants debug lines for longer sets LOG_LEVEL."""
USUAL_SECONDS = 600.0
ROOT = "root"

LOGGERS: Mapping[str, str] = MappingProxyType(
    {
        ROOT: "all that has no level of its own: LOG_LEVEL",
        "alerts": "rules that are judged, alerts that are stored",
        "alerts.mail": "letters of alerts, and addresses that confirm",
        "alerts.webhooks": "calls to webhooks",
        "asyncio": "the thread of the drivers",
        "backup_notes": "when the last backup was made",
        "backups": "backups that go, the archive of the log",
        "bus": "the connection to NATS, and what goes over it",
        "chaos": "faults that are injected",
        "cluster": "members that come and go",
        "cluster.membership": "claims, and how this node stands",
        "database": "connections and queries",
        "delivery.broadcaster": "what is sent to clients",
        "delivery.session": "messages of clients",
        "delivery.subscription_manager": "what clients want",
        "doorkeeper": "sessions and API tokens that are confirmed",
        "epochs": "the numbers of lives, kept on disk",
        "figures": "the figures of each minute, on their way into the database",
        "first_prices": "the first price of the day, asked of history",
        "instance": "the name of this installation",
        "jobs": "what runs on a schedule",
        "notices": "what operators are told at once",
        "postgres": "the embedded server",
        "recorder": "prices on their way into the database",
        "retention": "partitions that are made and dropped",
        "run_record": "how the last run ended",
        "secrets": "secrets that are read again",
        "serve": "the start",
        "server_file": "where commands of this user find the server",
        "stockstream": "all of stockstream.market",
        "stockstream.market.circuit_breaker_actor": "what the breakers let through",
        "stockstream.market.feeds.confirming": "symbols that are confirmed, or no more",
        "stockstream.market.feeds.standing": "how the feeds do",
        "stockstream.market.router": "which provider tells which symbols",
        "stockstream.market.streamer": "prices that are accepted",
        "stub": "the bundled stub API",
        "supervision": "actors that start, end and crash",
        "tracing": "traces, and how they are told",
        "users.oidc": "the identity provider that people log in by",
        "users": "accounts, and the audit of operators",
        "web": "requests that fail, and all of web below",
        "web.admin": "operators who come in",
        "web.chaos": "operators who break things",
        "web.clients": "clients who come and go",
        "web.identity": "the cookies' name",
        "web.requests": "requests that are over a limit",
        "web.server": "connections and protocol",
        "web.users": "people who log in",
    }
)
"""All of ours, with what they tell. Others' may write keys and headers, and are not lent; nor is
the one that tells who has lent what."""

OWN = "log_levels"

_log: BoundLogger = structlog.get_logger("log_levels")


class Lease(msgspec.Struct, frozen=True):
    """A logger has `level` until a moment, as `who` asked, and then what it had `before`."""

    level: Level
    who: str
    until: Moment
    before: int


class LentLevel(msgspec.Struct, frozen=True):
    """A lease as it leaves the process."""

    level: Level
    who: str
    seconds_left: float


class LoggerRow(msgspec.Struct, frozen=True):
    """A logger: what it tells, the least severity that it writes now, and why it is another one."""

    name: str
    about: str
    level: str
    lent: LentLevel | None


class LendLevel(Request[LoggerRow]):
    """Have a known logger write from `level` on, for so many `seconds`."""

    __slots__ = ("level", "name", "seconds", "who")

    def __init__(self, name: str, level: Level, seconds: float, who: str) -> None:
        self.name = name
        self.level = level
        self.seconds = seconds
        self.who = who


class TakeBackLevel(Request[LoggerRow]):
    """Have a known logger write what it did before, at once. Without a lease nothing changes."""

    __slots__ = ("name", "who")

    def __init__(self, name: str, who: str) -> None:
        self.name = name
        self.who = who


class LogLevels:
    """The leases. Made by `application.py`; written by the telemetry actor, read by anyone."""

    def __init__(self, find: Callable[[str], logging.Logger] | None = None) -> None:
        self.leases: Table[str, Lease] = Table("log_levels", writer=paths.TELEMETRY)
        self._find = find or _logger
        # A level of its own: nobody silences others without a line that says so.
        self._find(OWN).setLevel(logging.WARNING)

    def lend(self, request: LendLevel) -> LoggerRow:
        """Begin a lease, in place of one that the logger has."""
        name, seconds = request.name, min(request.seconds, LONGEST_SECONDS)
        logger, old = self._find(name), self.leases.get(name)
        before = logger.level if old is None else old.before
        until = Moment.now().after(seconds)
        # First the lease: a life that ends in between leaves one to end, and never a level alone.
        self.leases.put(name, Lease(request.level, request.who, until, before))
        logger.setLevel(request.level.upper())
        _log.warning(
            "log level lent", name=name, to_level=request.level, seconds=seconds, who=request.who
        )
        return self.row(name)

    def take_back(self, request: TakeBackLevel) -> LoggerRow:
        """End a lease early."""
        if request.name in self.leases.rows:
            self._end(request.name, request.who)
        return self.row(request.name)

    def end_due(self) -> None:
        """End the leases that are over."""
        now = Moment.now()
        for name in [name for name, lease in self.leases.rows.items() if lease.until <= now]:
            self._end(name, "its time")

    def row(self, name: str) -> LoggerRow:
        """How a known logger stands."""
        lease = self.leases.get(name)
        lent = None
        if lease is not None:
            left = max(0.0, round(lease.until - Moment.now(), 1))
            lent = LentLevel(lease.level, lease.who, left)
        level = logging.getLevelName(self._find(name).getEffectiveLevel()).lower()
        return LoggerRow(name, LOGGERS[name], level, lent)

    def rows(self) -> list[LoggerRow]:
        """How all known loggers stand."""
        return [self.row(name) for name in LOGGERS]

    def _end(self, name: str, who: str) -> None:
        lease = self.leases.rows[name]
        self._find(name).setLevel(lease.before)
        self.leases.delete(name)
        _log.warning("log level fell back", name=name, from_level=lease.level, ended_by=who)


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(None if name == ROOT else name)
