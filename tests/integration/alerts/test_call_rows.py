"""The queue of the webhooks as a table that several nodes take from, on a real PostgreSQL."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream.alerts import call_rows
from stockstream.alerts.call_rows import (
    Call,
    ClaimCalls,
    EndCalls,
    Failed,
    FetchDue,
    ReleaseCalls,
    Taken,
)
from stockstream.alerts.queue_counts import CountCalls
from stockstream.alerts.shares import Line, LineRecord
from tests.support.gateway import running_history

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway import History

URL = "https://a.example/hook"
LINE = Line("me", "a.example")
FIRST = Line("", "")
DAY_SECONDS = 86_400.0
RULE = """
INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis)
VALUES ('me', 'AAPL', 'above', 100, 0) RETURNING id
"""
CALLS = """
WITH made AS (
    INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, price, quoted_at, epoch, seq,
        fired_at)
    SELECT (SELECT min(id) FROM alert_rules), $1, 'AAPL', 'above', 100, 101, now(), 1,
        n + (SELECT count(*) FROM alerts), now()
    FROM generate_series(1, $3::int) n RETURNING id)
INSERT INTO webhook_deliveries (alert_id, owner, url) SELECT id, $1, $2 FROM made RETURNING alert_id
"""


@asynccontextmanager
async def queue(url: str) -> AsyncIterator[History]:
    """A gateway to a database with a rule."""
    async with running_history(url) as history:
        await history.until_up()
        await history.select(RULE)
        yield history


async def put_calls(
    history: History, number: int, *, owner: str = "me", url: str = URL
) -> list[int]:
    """Calls that are due; their rows."""
    return [row for (row,) in await history.select(CALLS, owner, url, number)]


async def claim(
    history: History, claimant: str, number: int = 100, *, line: Line = LINE
) -> list[Call]:
    found: list[Call] = await history.ask(ClaimCalls(claimant, 60.0, {line: number}, ()))
    return found


async def end(
    history: History, claimant: str, *tried: Taken | Failed, lines: tuple[LineRecord, ...] = ()
) -> int:
    """Write down; how many are dead."""
    taken = [one for one in tried if isinstance(one, Taken)]
    failed = [one for one in tried if isinstance(one, Failed)]
    dead: int = await history.ask(EndCalls(claimant, DAY_SECONDS, taken, failed, lines))
    return dead


def failed(call: Call, *, final: bool = False, gone: bool = False) -> Failed:
    return Failed(call, 503, "status 503", 30.0, final, gone)


def rows(calls: list[Call]) -> list[int]:
    return [call.stored.row for call in calls]


async def let_a_minute_pass(history: History) -> None:
    """For the leases, which are as long."""
    for table, until, whose in (
        ("webhook_deliveries", "next_attempt_at", "claimed_by"),
        ("webhook_lines", "tried_until", "tried_by"),
    ):
        await history.select(
            f"UPDATE {table} SET {until} = {until} - interval '1 min' "
            f"WHERE {whose} IS NOT NULL RETURNING 1"
        )


async def states(history: History) -> list[tuple[Any, ...]]:
    return await history.select(
        "SELECT state, attempts, reason FROM webhook_deliveries ORDER BY alert_id"
    )


async def test_nodes_that_claim_at_once_share_the_calls(database_url: str) -> None:
    """Each call is claimed by one of them, and none is left."""
    async with queue(database_url) as first, running_history(database_url) as second:
        await second.until_up()
        put = await put_calls(first, 200)
        claimed: list[list[int]] = []

        async def take(history: History, claimant: str) -> None:
            while calls := await claim(history, claimant, 7):
                claimed.append(rows(calls))

        async with trio.open_nursery() as nursery:
            for history, names in ((first, "ab"), (second, "cd")):
                for name in names:
                    nursery.start_soon(take, history, name)
        assert sorted(row for some in claimed for row in some) == put


async def test_a_dead_nodes_claims_end_by_time(database_url: str) -> None:
    """Until then nobody else gets them; what it writes after that does no harm."""
    async with queue(database_url) as history:
        (row,) = await put_calls(history, 1)
        (call,) = await claim(history, "dead")
        assert await claim(history, "other") == []
        await let_a_minute_pass(history)
        again = await claim(history, "other")
        assert rows(again) == [row]
        assert await end(history, "dead", failed(call)) == 0
        assert await states(history) == [("pending", 0, None)]
        await end(history, "dead", Taken(call, 200))
        assert await states(history) == [("delivered", 1, None)]
        await end(history, "other", failed(again[0]))
        assert await states(history) == [("delivered", 1, None)]


async def test_a_successor_has_its_predecessors_claims_at_once(database_url: str) -> None:
    """It has the same name; another's claims stay."""
    async with queue(database_url) as history:
        put = await put_calls(history, 2)
        await claim(history, "me", 1)
        await claim(history, "other", 1)
        await history.ask(ReleaseCalls("me"))
        assert rows(await claim(history, "me")) == put[:1]


async def test_lines_are_found_one_after_another_whatever_waits_in_each(database_url: str) -> None:
    """With what is due, and when something will be; a look may go on where the last one ended."""
    async with queue(database_url) as history:
        await put_calls(history, 50, owner="a", url="https://B.example:8443/x")
        await put_calls(history, 1, owner="a", url="https://c.example?x")
        await put_calls(history, 3)
        (call, *_) = await claim(history, "node", 1)
        found = await history.ask(FetchDue(FIRST, 10, 4))
        assert [(tuple(one.line), one.calls) for one in found] == [
            (("a", "b.example:8443"), 4),
            (("a", "c.example"), 1),
            (("me", "a.example"), 2),
        ]
        assert all(0 <= one.due_for < 60 for one in found)
        assert len(await history.ask(FetchDue(FIRST, 2, 4))) == 2
        rest = await history.ask(FetchDue(found[1].line, 10, 4))
        assert [one.line for one in rest] == [LINE]
        await claim(history, "node")
        (waiting,) = await history.ask(FetchDue(found[1].line, 10, 4))
        assert waiting.calls == 0
        assert -60 < waiting.due_for < -50
        await end(history, "node", Taken(call, 200))
        assert await history.ask(FetchDue(LINE, 10, 4)) == []


async def test_a_call_that_is_too_old_is_dead_when_its_receiver_has_failed_again(
    database_url: str,
) -> None:
    """Not before: after a long stop of ours each gets its chance; another's calls are not touched.

    One that was never tried says so.
    """
    async with queue(database_url) as history:
        old = await put_calls(history, 3)
        await put_calls(history, 1)
        await put_calls(history, 1, url="https://other.example/")
        await history.select(
            "UPDATE webhook_deliveries SET waiting_since = now() - interval '25 hours' "
            "WHERE alert_id = ANY($1) OR url ~ 'other' RETURNING 1",
            old,
        )
        (call,) = await claim(history, "node", 1)
        assert call.stored.row == old[0]
        assert await end(history, "node", failed(call)) == 3
        never = "its turn never came, the receiver failed: status 503"
        assert await states(history) == [
            ("dead", 1, "status 503"),
            ("dead", 0, never),
            ("dead", 0, never),
            ("pending", 0, None),
            ("pending", 0, None),
        ]


async def test_a_final_failure_ends_the_call_and_one_that_is_gone_all_to_its_address(
    database_url: str,
) -> None:
    """Those to another address of the same receiver go on, and what is under way as well."""
    async with queue(database_url) as history:
        await put_calls(history, 3)
        await put_calls(history, 1, url=URL + "/other")
        first, second = await claim(history, "node", 2)
        assert await end(history, "node", failed(first, final=True)) == 1
        assert await end(history, "node", failed(second, final=True, gone=True)) == 2
        found = [state for state, *_ in await states(history)]
        assert found == ["dead", "dead", "dead", "pending"]


@pytest.mark.proves("N23")
async def test_all_nodes_leave_a_line_alone_that_failed_on_one(database_url: str) -> None:
    """For as long as it rests; other lines of the owner and to the receiver go on."""
    async with queue(database_url) as history:
        await put_calls(history, 3)
        await put_calls(history, 1, owner="other")
        (call,) = await claim(history, "one", 1)
        await end(history, "one", failed(call), lines=(LineRecord(LINE, 3, 5.0),))
        mine, others = await history.ask(FetchDue(FIRST, 10, 4))
        assert (mine.line, mine.calls, mine.failures) == (LINE, 0, 3)
        assert -5.0 <= mine.due_for < -1.0
        assert (others.calls, others.failures) == (1, 0)
        assert await claim(history, "two") == []
        assert len(await claim(history, "two", line=Line("other", "a.example"))) == 1


@pytest.mark.proves("N23")
async def test_one_node_tries_one_call_of_a_line_that_has_rested(database_url: str) -> None:
    """Until that try has ended, or its node has died and the lease is over; a call that is taken
    frees the whole line.
    """
    async with queue(database_url) as history:
        await put_calls(history, 4)
        (call,) = await claim(history, "one", 1)
        await end(history, "one", failed(call), lines=(LineRecord(LINE, 1, 0.0),))
        claimed: list[Call] = []

        async def take(name: str) -> None:
            claimed.extend(await claim(history, name))

        async with trio.open_nursery() as nursery:
            for name in "abcdef":
                nursery.start_soon(take, name)
        assert len(claimed) == 1
        ((claimant,),) = await history.select("SELECT tried_by FROM webhook_lines")
        await history.ask(ReleaseCalls(claimant))
        (again,) = await claim(history, "dead")
        assert await claim(history, "other") == []
        await let_a_minute_pass(history)
        found = await claim(history, "other")
        assert len(found) == 1
        await end(history, "other", Taken(found[0], 200), lines=(LineRecord(LINE, 0, 0.0),))
        left = await claim(history, "other")
        assert {*rows(left), found[0].stored.row} >= {again.stored.row}
        assert len(left) == 2  # the one that failed first has a pause of its own


async def test_looking_for_lines_costs_the_same_whatever_waits(database_url: str) -> None:
    """The plan leads from one line to the next by the index, and reads no other row."""
    async with queue(database_url) as history:
        for owner in ("a", "b"):
            await put_calls(history, 10_000, owner=owner)
        look = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {call_rows._DUE}"
        ((told,),) = await history.select(look, *FIRST, 10, 4)
        plan = json.loads(told)[0]["Plan"]
        assert plan["Actual Rows"] == 2
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100


async def test_the_queue_is_told_in_numbers(database_url: str) -> None:
    """What is claimed waits and is not due; what is due rests with its receiver; the dead stay."""
    async with queue(database_url) as history:
        assert str(await history.ask(CountCalls())) == "0 wait, 0 due, 0 dead"
        await put_calls(history, 4)
        first, second = await claim(history, "a", 2)
        assert str(await history.ask(CountCalls())) == "4 wait, 2 due, 0 dead"
        await end(history, "a", failed(first, final=True), Taken(second, 200))
        assert str(await history.ask(CountCalls())) == "2 wait, 2 due, 1 dead"
        await end(history, "a", lines=(LineRecord(LINE, 1, 60.0),))
        await put_calls(history, 1, owner="you")
        told = str(await history.ask(CountCalls()))
        assert told == "3 wait, 1 due, 2 for receivers that rest, 1 dead"
