"""Each crossing is stored once and told once on a connection, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.alerts.rules import Kind, Rule, judge
from stockstream.alerts.window import Window
from stockstream.tables import Batch, Outbox
from tests.integration.alerts.support import Me, listening
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.integration.market.rogue import answer
from tests.support.users import rows_are_there, visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.statuses import QuoteRow

pytestmark = pytest.mark.chaos

PACE = {"fetch_interval": 0.02, "fetch_interval_idle": 0.02}
SYMBOLS = ("AAPL", "MSFT", "TSLA")
START = 90.0
KILLS = 200 if os.environ.get("CHAOS_FULL") else 60
"""The longer run is that of `make chaos`."""
VICTIMS = (
    *[paths.ALERTS] * 4,
    *[paths.DATABASE] * 2,
    paths.BROADCASTER,
    paths.PUBSUB,
    paths.STREAMER,
)


@pytest.fixture
def seed() -> int:
    """A seed, printed when the test fails; CHAOS_SEED repeats one."""
    chosen = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[QuoteRow]:
    """All quotes that are published for the alerts, as they are."""
    found: list[QuoteRow] = []
    append = Outbox.append

    def witnessed(outbox: Outbox, rows: Sequence[QuoteRow], *, own: bool = True) -> Batch:
        if outbox._acknowledges.writer == paths.ALERTS:
            found.extend(rows)
        return append(outbox, rows, own=own)

    monkeypatch.setattr(Outbox, "append", witnessed)
    return found


def swing(api: PriceApi, rng: random.Random) -> None:
    """From now on each fetch gets new prices, on either side of what the rules say."""

    async def script(stream: trio.abc.Stream, _head: str) -> None:
        now = time.time_ns() // 1_000_000
        quotes = [
            {"symbol": symbol, "price": round(rng.uniform(85, 115), 2), "timestamp": now}
            for symbol in SYMBOLS
        ]
        await stream.send_all(answer(json.dumps(quotes).encode()))

    api.script = script


def expected(rule: Rule, rows: list[QuoteRow]) -> tuple[list[str], bool | None]:
    """What a rule that was armed at the first of its prices has to fire at the others.

    And whether it is armed in the end.
    """
    armed: bool | None = None
    window = None if rule.window is None else Window(rule.window)
    found = []
    for row in rows:
        quote = row.quote
        if quote.symbol != rule.symbol:
            continue
        extremes = None if window is None else window.add(row.steady, quote.price)
        verdict = judge(rule, armed, quote.price, extremes)
        armed = verdict.armed
        if verdict.fired:
            found.append(f"{rule.id}-{quote.version.epoch}-{quote.version.seq}")
    return found, armed


async def make_rules(me: Me) -> list[Rule]:
    rules = []
    for symbol in SYMBOLS:
        for kind, threshold, more in (
            (Kind.ABOVE, 100.0, {"hysteresis": 0.0}),
            (Kind.ABOVE, 105.0, {"hysteresis": 5.0}),
            (Kind.BELOW, 88.0, {"hysteresis": 1.0}),
            (Kind.MOVE, 12.0, {"hysteresis": 3.0, "window": 10}),
        ):
            rules.append(await make_rule(me, symbol, kind, threshold, **more))
    return rules


async def make_rule(me: Me, symbol: str, kind: Kind, threshold: float, **more: float) -> Rule:
    number = await me.add_rule(kind.value, threshold, symbol=symbol, **more)
    rule = (await me.http.get(f"/api/v1/alerts/rules/{number}")).json()
    assert rule["armed"] is True
    told = rule["symbol"], kind, threshold, rule["window"], rule["hysteresis"], rule["cooldown"]
    return Rule(number, "", 1, *told, None, None)


@pytest.mark.proves("H15", "C12", "C13")
async def test_each_crossing_is_stored_once_and_told_once(
    seed: int, published: list[QuoteRow], database_url: str, nursery: trio.Nursery
) -> None:
    """Kills of watcher, gateway, broadcaster, PubSub and streamer, while prices cross 50 times
    a second: the alerts are those that follow from the published prices, by judging them anew.
    Those of a rule with a cool-down stand for as many crossings, and end with the last of them.
    """
    rng = random.Random(seed)
    api = PriceApi(nursery)
    api.put(**dict.fromkeys(SYMBOLS, START))
    await api.start()
    async with fed_by(api, database_url=database_url, **PACE) as tree, visitor(tree) as http:
        await rows_are_there(http)
        me = Me(tree, api, http)
        rules = await make_rules(me)
        calm = await make_rule(me, "AAPL", Kind.ABOVE, 101.0, hysteresis=0.0, cooldown=1)
        async with listening(me, nursery) as client:
            swing(api, rng)
            for _ in range(KILLS):
                tree.system.ref(rng.choice(VICTIMS)).kill()
                await trio.sleep(rng.uniform(0, 0.1))
            api.put(**dict.fromkeys(SYMBOLS, START))
            last = {(symbol, quote["timestamp"]) for symbol, quote in api.prices.items()}
            with trio.fail_after(30):
                # After these nothing is published any more: what does not change is no news.
                while not last <= {(r.quote.symbol, r.quote.timestamp) for r in published[-9:]}:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            ends = {rule.id: expected(rule, published) for rule in rules}
            wanted = sorted(alert for alerts, _ in ends.values() for alert in alerts)
            stored: list[str] = []
            with trio.move_on_after(30):
                while stored != wanted:
                    await trio.sleep(0.1)
                    rows = await me.select(
                        f"SELECT rule_id, epoch, seq FROM alerts WHERE rule_id <> {calm.id}"
                    )
                    stored = sorted("-".join(map(str, row)) for row in rows)
            assert stored == wanted
            assert len(wanted) > KILLS
            crossings, ends[calm.id] = (found := expected(calm, published))[0], found
            rows = []
            with trio.move_on_after(30):
                while sum(row[1] for row in rows) != len(crossings):
                    await trio.sleep(0.1)
                    rows = await me.select(
                        "SELECT rule_id || '-' || epoch || '-' || seq, crossings FROM alerts "
                        f"WHERE rule_id = {calm.id} ORDER BY id"
                    )
            assert sum(row[1] for row in rows) == len(crossings)
            assert rows[-1][0] == crossings[-1]
            assert len(rows) < len(crossings)
            in_all = len(wanted) + len(rows)
            await client.wait_for(lambda: client.counts["alert"] >= in_all, 30)
            told = [message["id"] for message in client.messages if message["type"] == "alert"]
            assert sorted(told) == sorted([*wanted, *(row[0] for row in rows)])
            assert client.closed is None
        standings: dict[int, bool | None] = {}
        with trio.fail_after(30):
            while standings != {number: armed for number, (_, armed) in ends.items()}:
                await trio.sleep(0.1)
                standings = dict(await me.select("SELECT id, armed FROM alert_rules"))
    api.stop()
