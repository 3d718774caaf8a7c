"""The watcher in a tree of its own, on virtual time, without a database."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from msgspec.structs import replace as replace_struct

from stockstream import paths
from stockstream.alerts.alert_rows import StoreAlerts
from stockstream.alerts.book import AlertBook
from stockstream.alerts.rule_rows import Changes, FetchChanges
from stockstream.alerts.spares import Recording
from stockstream.alerts.watcher import Watcher
from stockstream.database.query import Answered, Ask, Rejected, Unavailable
from stockstream.messages import (
    Alert,
    AlertSymbols,
    DeliverAlert,
    DemandWanted,
    HoldingChanged,
    QuotesPublished,
    RulesChanged,
    TellAlerts,
)
from stockstream.shards import Sharding
from stockstream.tables import Tables
from supervision import Actor, ChildSpec, Request, System, handles, supervisor
from tests.unit.alerts.support import NOON, hold, row, rule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from stockstream.alerts.rules import Rule
    from stockstream.database.query import DatabaseError
    from stockstream.statuses import QuoteRow


@dataclass
class World:
    """What surrounds the watcher; `trouble` is what the database answers, `now` the wall clock."""

    system: System
    tables: Tables
    book: AlertBook
    rules: list[Rule] = field(default_factory=list)
    trouble: DatabaseError | None = None
    complete: bool = False
    reads: int = 0
    stored: list[Alert] = field(default_factory=list)
    standings: dict[int, bool] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    delivered: list[Alert] = field(default_factory=list)
    deaf: bool = False
    now: int = NOON
    symbols: list[frozenset[str]] = field(default_factory=list)
    own: bool = True
    bus: list[object] = field(default_factory=list)

    async def publish(self, *rows: QuoteRow, hint: bool = True) -> None:
        await self.system.ref(paths.STREAMER).call(Publish(rows, hint))


@dataclass(frozen=True)
class Publish(Request[None]):
    rows: tuple[QuoteRow, ...]
    hint: bool


class LedStreamer(Actor):
    """Publishes what it is told, with or without the hint."""

    def __init__(self, world: World) -> None:
        self._world = world

    @handles(Publish)
    def _on_publish(self, request: Publish) -> None:
        self._world.tables.quotes.put_all({r.quote.symbol: r for r in request.rows})
        self._world.tables.alert_inbox.append(request.rows, own=self._world.own)
        if request.hint:
            self.system.ref(paths.ALERTS).cast(QuotesPublished(1, request.rows))


class LedFeed(Actor):
    """Stands where a feed stands, and notes what the rules are about."""

    def __init__(self, world: World) -> None:
        self._world = world

    @handles(AlertSymbols)
    def _on_symbols(self, message: AlertSymbols) -> None:
        self._world.symbols.append(message.symbols)


class LedBus(Actor):
    """Stands where the bus stands, and notes what the other nodes would be told."""

    def __init__(self, world: World) -> None:
        self._world = world

    @handles(TellAlerts)
    @handles(RulesChanged)
    def _on_told(self, message: TellAlerts | RulesChanged) -> None:
        self._world.bus.append(message)


class LedGateway(Actor):
    """Stands where the gateway stands: what it answers is for the test to say."""

    def __init__(self, world: World) -> None:
        self._world = world

    @handles(Ask)
    def _on_ask(self, request: Ask[object]) -> object:
        world = self._world
        if world.trouble is not None:
            return world.trouble
        match request.query:
            case FetchChanges():
                world.reads += 1
                return Answered(Changes(list(world.rules), [], 0, complete=world.complete))
            case StoreAlerts(unstored):
                if world.refused & {alert.id for alert in unstored.alerts}:
                    return Rejected("no")
                world.stored += unstored.alerts
                world.standings |= {n: s.armed for n, s in unstored.standings.items()}
                return Answered(value=False)
            case other:
                raise AssertionError(other)


class LedBroadcaster(Actor):
    """Takes alerts, unless it is deaf: then it answers nobody."""

    def __init__(self, world: World) -> None:
        self._world = world

    @handles(DeliverAlert)
    async def _on_alert(self, request: DeliverAlert) -> int:
        if self._world.deaf:
            await trio.sleep(1_000)
        self._world.delivered.append(request.alert)
        return 1


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    tables = Tables()
    world = World(System(), tables, AlertBook(Recording(tables.holding, Sharding())))
    watcher = partial(
        Watcher,
        world.book,
        tables.alert_inbox,
        tables.quotes,
        tables.alerts,
        ["market/feed"],
        clock=lambda: world.now,
    )
    root = supervisor(
        "root",
        [
            supervisor("cluster", [ChildSpec("bus", partial(LedBus, world))]),
            supervisor("database", [ChildSpec("gateway", partial(LedGateway, world))]),
            supervisor(
                "market",
                [
                    ChildSpec("streamer", partial(LedStreamer, world)),
                    ChildSpec("feed", partial(LedFeed, world)),
                ],
            ),
            supervisor("delivery", [ChildSpec("broadcaster", partial(LedBroadcaster, world))]),
            supervisor("alerts", [ChildSpec("watcher", watcher)], intensity=1_000),
        ],
    )
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(world.system.run, root, on_start=lambda _: up.set()))
        await up.wait()
        yield world
        nursery.cancel_scope.cancel()


async def settled(seconds: float = 0.001) -> None:
    """Let all that can happen within so many seconds happen."""
    await trio.sleep(seconds)


async def test_a_hint_that_is_lost_costs_a_second(autojump_clock: MockClock) -> None:
    """The inbox has the prices all the same."""
    async with running() as world:
        world.rules = [rule(armed=True)]
        world.system.ref(paths.ALERTS).cast(RulesChanged())
        await settled()
        await world.publish(row(101.0, 1), hint=False)
        await settled()
        assert world.delivered == []
        await settled(1.1)
        assert [alert.price for alert in world.delivered] == [101.0]
        assert world.tables.alert_inbox.statistics().waiting == 0


async def test_neither_telling_nor_storing_waits_for_the_other(autojump_clock: MockClock) -> None:
    """Told without a database; stored without a broadcaster; each once in the end."""
    async with running() as world:
        world.rules = [rule(armed=True, hysteresis=0.0)]
        await settled(6.5)
        world.trouble = Unavailable("away")
        await world.publish(row(101.0, 1))
        await settled()
        assert [alert.id for alert in world.delivered] == ["1-1-1"]
        assert world.stored == []
        world.trouble, world.deaf = None, True
        await settled(1)
        assert [alert.id for alert in world.stored] == ["1-1-1"]
        await world.publish(row(99.0, 2), row(102.0, 3))
        await settled()
        assert [alert.id for alert in world.stored] == ["1-1-1", "1-1-3"]
        assert len(world.delivered) == 1
        world.deaf = False
        world.system.ref(paths.BROADCASTER).kill()
        await settled(3)
        assert [alert.id for alert in world.delivered] == ["1-1-1", "1-1-3"]
        assert world.standings == {1: False}


async def test_a_killed_watcher_forgets_nothing(autojump_clock: MockClock) -> None:
    """Prices that came while it was down, and what waits to be stored, are its successor's."""
    async with running() as world:
        world.rules = [rule(armed=True, hysteresis=0.0)]
        await settled(6.5)
        world.trouble = Unavailable("away")
        await world.publish(row(101.0, 1))
        watcher = world.system.ref(paths.ALERTS)
        watcher.kill()
        await world.publish(row(99.0, 2))
        await world.publish(row(103.0, 3))
        world.trouble = None
        await settled(2)
        assert [alert.id for alert in world.stored] == ["1-1-1", "1-1-3"]
        # One may have been told when the answer was lost: it is told again, under its number.
        numbers = [alert.number for alert in world.delivered]
        assert list(dict.fromkeys(numbers)) == [1, 2]
        assert numbers == sorted(numbers)


async def test_an_alert_that_the_database_refuses_stands_in_nobodys_way(
    autojump_clock: MockClock,
) -> None:
    """The others of its transaction are stored one by one, and the standings."""
    async with running() as world:
        world.rules = [rule(n, symbol=f"S{n}", armed=True) for n in (1, 2, 3)]
        world.refused = {"2-1-1"}
        await settled(6.5)
        await world.publish(*(row(101.0, 1, symbol=f"S{n}") for n in (1, 2, 3)))
        await settled(2)
        assert [alert.id for alert in world.stored] == ["1-1-1", "3-1-1"]
        assert world.standings == {1: False, 2: False, 3: False}
        assert world.book.unstored() is None


async def test_prices_beyond_the_inbox_are_judged_by_the_newest(autojump_clock: MockClock) -> None:
    """A flood while it was away costs the steps in between, and is counted."""
    async with running() as world:
        world.rules = [rule(armed=True)]
        await settled(6.5)
        flood = tuple(row(50.0, seq, symbol="OTHER") for seq in range(1, 60_000))
        await world.publish(row(101.0, 1), hint=False)
        await world.publish(*flood, hint=False)
        await settled(1.1)
        assert [alert.id for alert in world.delivered] == ["1-1-1"]
        status = world.tables.alerts.value
        assert status is not None
        assert status.missed == 1


async def test_an_inbox_that_overflows_for_ever_is_judged_for_ever(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round of judging finds that more was lost meanwhile: rounds do not pile up."""
    async with running() as world:
        world.rules = [rule(armed=True)]
        await settled(6.5)
        inbox, rounds = world.tables.alert_inbox, 3 * sys.getrecursionlimit()
        true = inbox.statistics
        lost = iter(range(1, rounds))
        monkeypatch.setattr(
            inbox, "statistics", lambda: replace(true(), dropped=next(lost, rounds))
        )
        await world.publish(row(101.0, 1))
        await settled(1)
        assert [alert.id for alert in world.delivered] == ["1-1-1"]
        assert world.book.status().missed == rounds
        assert world.system.ref(paths.ALERTS).alive


async def test_rules_are_read_again_and_their_symbols_told(autojump_clock: MockClock) -> None:
    """At once when told, every few seconds anyway; to a feed that asks, again."""
    async with running() as world:
        await settled()
        assert world.reads == 1
        world.rules = [rule(symbol="TSLA")]
        world.system.ref(paths.ALERTS).cast(RulesChanged())
        await settled()
        assert world.reads == 2
        assert world.symbols[-1] == {"TSLA"}
        told = len(world.symbols)
        await settled(60)
        assert 10 <= world.reads <= 16
        assert len(world.symbols) == told
        world.system.ref(paths.ALERTS).cast(DemandWanted())
        await settled()
        assert len(world.symbols) == told + 1


async def test_rules_that_are_purged_are_forgotten(autojump_clock: MockClock) -> None:
    """Where all rules are read, one that is not among them is no rule any more."""
    async with running() as world:
        world.rules = [rule(1, symbol="TSLA"), rule(2, symbol="AAPL")]
        world.system.ref(paths.ALERTS).cast(RulesChanged())
        await settled()
        world.rules = world.rules[:1]
        await settled(10)
        assert world.symbols[-1] == {"TSLA", "AAPL"}, "no word of it is no deletion"
        world.complete = True
        await settled(10)
        assert world.symbols[-1] == {"TSLA"}


async def test_what_a_cooldown_withheld_is_told_and_stored_when_it_ends(
    autojump_clock: MockClock,
) -> None:
    """Within a second, though no price comes then; or when the watcher is stopped."""
    async with running() as world:
        world.rules = [rule(cooldown=60, hysteresis=0.0)]
        world.system.ref(paths.ALERTS).cast(RulesChanged())
        await settled()

        async def jitter(first: int, last: int) -> None:
            for seq in range(first, last):
                steady = round(1000 * trio.current_time())
                await world.publish(row(101.0 if seq % 2 == 0 else 99.0, seq, steady=steady))
                await settled()

        await jitter(1, 9)
        await settled(5)
        assert [alert.crossings for alert in world.delivered] == [1]
        assert world.standings == {1: True}, "else a kill of the process forgets what is withheld"
        await settled(56.5)
        assert [(a.crossings, a.version.seq) for a in world.delivered] == [(1, 2), (3, 8)]
        assert world.stored == world.delivered
        assert world.standings == {1: False}
        await jitter(71, 75)
        assert len(world.delivered) == 2
        world.system.stop()
        await settled(10)
    assert [alert.crossings for alert in world.stored] == [1, 3, 2]


@pytest.mark.proves("N22")
async def test_in_a_cluster_the_bus_is_told_and_what_it_brings_is_told_here(
    autojump_clock: MockClock,
) -> None:
    """Alerts and changes of rules, which go from the node where they happen to all; not back."""
    async with running() as world:
        hold(world.tables.holding, "us/0")
        world.rules = [rule(armed=True)]
        world.system.ref(paths.ALERTS).cast(RulesChanged())
        await settled()
        assert world.bus == [RulesChanged()]
        world.system.ref(paths.ALERTS).cast(RulesChanged(heard=True))
        await settled()
        assert (world.reads, world.bus) == (3, [RulesChanged()])
        await world.publish(row(101.0, 1))
        await settled()
        assert [alert.id for alert in world.delivered] == ["1-1-1"]
        told = world.bus[-1]
        assert isinstance(told, TellAlerts)
        assert [alert.id for alert in told.alerts] == ["1-1-1"]
        other = replace_struct(told.alerts[0], rule=2, number=1)
        world.system.ref(paths.ALERTS).cast(TellAlerts((*told.alerts, other)))
        await settled()
        assert [(alert.id, alert.number) for alert in world.delivered] == [
            ("1-1-1", 1),
            ("2-1-1", 3),
        ]
        assert len(world.bus) == 2


@pytest.mark.proves("N22", "T16")
async def test_a_node_that_is_given_the_shard_stores_what_the_last_one_left(
    autojump_clock: MockClock,
) -> None:
    """At once when the membership says so."""
    async with running() as world:
        hold(world.tables.holding)
        world.rules = [rule(armed=True)]
        await settled(6.5)
        world.own = False
        await world.publish(row(101.0, 1, steady=round(1000 * trio.current_time())))
        await settled(3)
        assert (world.stored, world.delivered, world.standings) == ([], [], {})
        hold(world.tables.holding, "us/0")
        world.system.ref(paths.ALERTS).cast(HoldingChanged())
        await settled()
        assert [alert.id for alert in world.stored] == ["1-1-1"]
        assert [alert.id for alert in world.delivered] == ["1-1-1"]
        assert world.standings == {1: False}
