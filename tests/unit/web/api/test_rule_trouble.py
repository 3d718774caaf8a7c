"""Why a rule cannot fire, as its user is told: each reason by itself, and the gravest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from stockstream import paths
from stockstream.alerts.rules import Kind, Rule
from stockstream.market.calendars import opens_after
from stockstream.market.exchange_zones import NEVER_CLOSES
from stockstream.quotes import Quote, Symbol, TradingSession, Version
from stockstream.sources import read_routes
from stockstream.statuses import (
    Confirmations,
    FeedState,
    FeedStatus,
    Lapse,
    MarketSession,
    QuoteRow,
    Routing,
    StaleReason,
)
from stockstream.symbol_states import away
from stockstream.tables import Tables
from stockstream.times import Moment
from tests.unit.alerts.support import acting_as
from web.api.rule_trouble import trouble_of

AAPL = Symbol("AAPL")
RULE = Rule(1, "me", 1, AAPL, Kind.ABOVE, 100.0, None, 0.1, 60, None, None, "USD")


def at(text: str) -> int:
    """A time in New York."""
    return round(datetime.fromisoformat(f"{text}-05:00").timestamp() * 1000)


NOW = at("2026-11-30T10:00")


class World:
    """The tables of a node whose provider tells AAPL."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.feed()
        self.told()
        self.quote()

    def put(self, path: str, table: Any, *row: Any) -> None:
        with acting_as(path):
            table.put(*row)

    def feed(self, state: FeedState = FeedState.LIVE, reason: str | None = None) -> None:
        row = FeedStatus(state, Moment.now(), 60.0, True, reason)
        self.put(paths.feed("api"), self.tables.feeds, "api", row)

    def told(self, **how: Any) -> None:
        now = Moment.now().milliseconds
        row = Confirmations(now, **({"told": frozenset({AAPL})} | how))
        self.put(paths.feed("api"), self.tables.confirmations, "api", row)

    def quote(self, currency: str | None = "USD", session: TradingSession | None = None) -> None:
        quote = Quote(AAPL, 99.0, NOW, "NASDAQ", currency, False, Version(1, 1), NOW)
        row = QuoteRow(quote, 99.0, None, source="api", session=MarketSession(session, 0))
        with acting_as(paths.STREAMER):
            self.tables.quotes.put_all({AAPL: row})

    def trouble(self, now: str = "2026-11-30T10:00", **rule: Any) -> tuple[str, str] | None:
        asked = msgspec.structs.replace(RULE, **rule)
        found = trouble_of(asked, self.tables, away(self.tables.feeds.rows), at(now))
        return None if found is None else (found.code, found.reason)


async def test_a_rule_that_can_fire_has_none() -> None:
    """Also one that has met no price yet, and one of a market whose hours nobody knows."""
    world = World()
    assert world.trouble() is None
    assert world.trouble(currency=None) is None
    world.quote(currency=None)
    assert world.trouble() is None


async def test_a_symbol_that_nobody_tells_says_why() -> None:
    """Not listed, refused by its provider, of no provider."""
    world = World()
    nope = Symbol("NOPE")
    assert world.trouble(symbol=nope) == ("unlisted", "no feed lists it")
    world.told(not_served={nope: "not_in_plan"})
    assert world.trouble(symbol=nope) == ("not_in_plan", "it is not in the plan with api")
    routing = Routing(read_routes("AAPL=api"), (0,))
    world.put(paths.ROUTER, world.tables.routing, routing)
    assert world.trouble(symbol=nope) == ("no_route", "no provider is set up for it")
    empty = World()
    empty.tables = Tables()
    assert empty.trouble() == ("no_price", "no price of it has come yet")


async def test_prices_that_are_not_compared_or_do_not_come_say_so() -> None:
    """The currency, which no time heals, before the feed, and that before the market."""
    world = World()
    world.quote(session=TradingSession.CLOSED)
    lapsed = Lapse(StaleReason.NOT_LISTED, 0, 0)
    world.told(told=frozenset(), lapsed={AAPL: lapsed})
    assert world.trouble() == ("stale", "no feed lists it any more")
    world.feed(FeedState.DOWN, "status 503")
    world.told()
    assert world.trouble() == ("feed_away", "its price feed is away: status 503")
    world.quote(currency="GBX")
    why = "it is of USD, and prices come in GBX: they are not compared"
    assert world.trouble() == ("currency", why)


async def test_a_market_that_is_closed_says_until_when() -> None:
    """Trade before the session counts; over a weekend; a halt has no end that is known."""
    world = World()
    world.quote(session=TradingSession.CLOSED)
    evening, friday = (
        ("2026-11-30T22:00", "2026-12-01 09:00"),
        ("2026-12-04T21:00", "2026-12-07 09:00"),
    )
    for now, opens in (evening, friday):
        told = ("market_closed", f"its market is closed until {opens} UTC")
        assert world.trouble(now) == told
    world.quote(session=TradingSession.HALTED)
    assert world.trouble() == ("halted", "its trading is halted")


@pytest.mark.parametrize("calendar", [None, NEVER_CLOSES])
def test_what_has_no_hours_opens_at_no_time(calendar: str | None) -> None:
    """A provider may call it closed all the same."""
    assert opens_after(calendar, at("2026-11-30T22:00")) is None
