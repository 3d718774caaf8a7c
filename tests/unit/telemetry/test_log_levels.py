"""Levels that are lent to loggers fall back by themselves, whoever is killed meanwhile."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
import trio
import trio.testing
from structlog.testing import LogCapture

import stockstream
from stockstream import paths
from stockstream.telemetry import log_levels
from stockstream.telemetry.log_levels import (
    LOGGERS,
    LONGEST_SECONDS,
    OWN,
    ROOT,
    LendLevel,
    LogLevels,
    TakeBackLevel,
)
from stockstream.telemetry.telemetry import SAMPLE_SECONDS, Telemetry, TelemetryActor
from supervision import ChildSpec, System, supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from supervision import ActorRef

STREAMER = "stockstream.market.streamer"


class Loggers:
    """A tree of loggers of its own: those of the process are other tests', too."""

    def __init__(self) -> None:
        self.root = logging.RootLogger(logging.INFO)
        self._manager = logging.Manager(self.root)

    def __call__(self, name: str) -> logging.Logger:
        return self.root if name == ROOT else self._manager.getLogger(name)


@pytest.fixture
def loggers() -> Loggers:
    return Loggers()


@pytest.fixture
async def telemetry(loggers: Loggers, nursery: trio.Nursery) -> AsyncIterator[ActorRef]:
    """The actor as the first child of a root."""
    system, up = System(), trio.Event()
    records = Telemetry(levels=LogLevels(loggers))
    root = supervisor("root", [ChildSpec(paths.TELEMETRY, TelemetryActor, (records,))])

    async def run() -> None:
        await system.run(root, on_start=lambda _system: up.set())

    nursery.start_soon(run)
    await up.wait()
    yield system.ref(paths.TELEMETRY)
    nursery.cancel_scope.cancel()


async def test_a_level_falls_back_by_itself(
    telemetry: ActorRef, loggers: Loggers, autojump_clock: trio.testing.MockClock
) -> None:
    """To what it was, not to a default; within a second of the end of its lease."""
    loggers(STREAMER).setLevel(logging.ERROR)
    row = await telemetry.call(LendLevel(STREAMER, "debug", 60.0, "token"))
    assert row.lent is not None
    assert (row.level, row.lent.who, row.lent.seconds_left) == ("debug", "token", 60.0)
    assert loggers(STREAMER).isEnabledFor(logging.DEBUG)
    await trio.sleep(59.5)
    assert loggers(STREAMER).level == logging.DEBUG
    await trio.sleep(0.5 + SAMPLE_SECONDS)
    assert loggers(STREAMER).level == logging.ERROR
    assert not loggers(STREAMER).isEnabledFor(logging.DEBUG), "nothing is remembered of it"


async def test_a_killed_owner_leaves_no_level_behind(
    telemetry: ActorRef, loggers: Loggers, autojump_clock: trio.testing.MockClock
) -> None:
    """Its next lives go by the leases that it has left, also when it is killed at the very end."""
    await telemetry.call(LendLevel(STREAMER, "debug", 10.0, "token"))
    for _ in range(4):
        await trio.sleep(2.4)
        assert telemetry.kill()
    assert loggers(STREAMER).level == logging.DEBUG
    await trio.sleep(0.4 + SAMPLE_SECONDS)
    assert loggers(STREAMER).level == logging.NOTSET


async def test_a_second_lease_takes_the_place_of_the_first(
    telemetry: ActorRef, loggers: Loggers, autojump_clock: trio.testing.MockClock
) -> None:
    """It falls back to what was there before both, when the second one ends."""
    await telemetry.call(LendLevel(STREAMER, "debug", 10.0, "one"))
    await trio.sleep(5)
    await telemetry.call(LendLevel(STREAMER, "error", 60.0, "two"))
    await trio.sleep(30)
    assert loggers(STREAMER).level == logging.ERROR
    await trio.sleep(32)
    assert loggers(STREAMER).level == logging.NOTSET


async def test_it_ends_early_when_asked(
    telemetry: ActorRef, loggers: Loggers, autojump_clock: trio.testing.MockClock
) -> None:
    """And to end what is not lent is no error."""
    await telemetry.call(LendLevel(ROOT, "debug", 600.0, "token"))
    assert loggers("web").isEnabledFor(logging.DEBUG), "those without a level follow the root"
    row = await telemetry.call(TakeBackLevel(ROOT, "token"))
    assert (row.level, row.lent) == ("info", None)
    assert loggers.root.level == logging.INFO
    again = await telemetry.call(TakeBackLevel(ROOT, "token"))
    assert again == row


async def test_nobody_silences_others_unseen(
    telemetry: ActorRef, loggers: Loggers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lends or ends which level is told, whatever the root lets through."""
    written = LogCapture()
    stdlib = structlog.stdlib
    log = structlog.wrap_logger(
        loggers(OWN),
        processors=[stdlib.filter_by_level, stdlib.add_log_level, written],
        wrapper_class=stdlib.BoundLogger,
    )
    monkeypatch.setattr(log_levels, "_log", log)
    await telemetry.call(LendLevel(ROOT, "critical", 60.0, "somebody"))
    await telemetry.call(LendLevel("bus", "error", 60.0, "somebody"))
    await telemetry.call(TakeBackLevel("bus", "another"))
    told = [(line["name"], *map(line.get, ("to_level", "who"))) for line in written.entries]
    assert told == [
        ("root", "critical", "somebody"),
        ("bus", "error", "somebody"),
        ("bus", None, None),
    ]
    assert written.entries[-1]["ended_by"] == "another"
    assert OWN not in LOGGERS


async def test_no_lease_is_longer_than_an_hour(
    telemetry: ActorRef, autojump_clock: trio.testing.MockClock
) -> None:
    """Whatever is asked for."""
    row = await telemetry.call(LendLevel("bus", "debug", 1e9, "token"))
    assert row.lent is not None
    assert row.lent.seconds_left == LONGEST_SECONDS


def test_all_loggers_of_ours_are_known() -> None:
    """By the source: a new one has to be said what it tells."""
    root = Path(stockstream.__file__).parents[1]
    used = set()
    for package in ("stockstream", "web", "supervision"):
        for path in (root / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for found in re.findall(r"get_?[lL]ogger\((\"[\w.]+\"|__name__)\)", text):
                module = ".".join(path.relative_to(root).with_suffix("").parts)
                used.add(module if found == "__name__" else found.strip('"'))
    # Of a command, of the parent of nodes, and what tells who has changed a level.
    elsewhere = {"doctor", "nodes", "nats", "audit", OWN}
    assert used - elsewhere - LOGGERS.keys() == set()
    assert LOGGERS.keys() - used == {ROOT, "stockstream"}, "all below it have its level"
