"""What a browser made goes to the account that logs in there; on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from stockstream.alerts.alert_rows import FetchFired, StoreAlerts
from stockstream.alerts.book import Unstored
from stockstream.alerts.moving import Moved, MoveOwner, folded, free_name
from stockstream.alerts.rule_rows import MOST_RULES, RULES
from stockstream.alerts.rules import Kind
from stockstream.messages import Alert
from stockstream.quotes import Version, parse_symbol
from stockstream.users.accounts import Account, owner_of
from stockstream.users.rows import DeleteRow, FetchDeletedRows, FetchRows
from stockstream.users.watchlists import MOST_LISTS, WATCHLISTS
from tests.support.accounts import AUTHOR, create
from tests.support.gateway import DAY, History, running_history

BROWSER = "a browser"


async def put_list(history: History, owner: str, name: str, *symbols: str) -> None:
    await history.select(
        "INSERT INTO watchlists (owner, name, symbols) VALUES ($1, $2, $3) RETURNING 1",
        owner,
        name,
        list(symbols),
    )


async def put_rules(history: History, owner: str, *thresholds: float) -> list[int]:
    rows = await history.select(
        "INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis, armed) "
        "SELECT $1, 'AAPL', 'above', t, 0, true FROM unnest($2::float8[]) t RETURNING id",
        owner,
        list(thresholds),
    )
    return [row[0] for row in rows]


def alert(owner: str, rule: int, seq: int) -> Alert:
    """One that fired `seq` seconds into a day."""
    at = DAY + 1000 * seq
    return Alert(
        number=seq,
        owner=owner,
        rule=rule,
        symbol=parse_symbol("AAPL"),
        kind=Kind.ABOVE.value,
        threshold=1.0,
        window=None,
        price=2.0,
        reference=None,
        timestamp=at,
        version=Version(1, seq),
        fired_at=at,
    )


async def fire(history: History, *alerts: Alert) -> None:
    await history.ask(StoreAlerts(Unstored(list(alerts), [None] * len(alerts), {})))


async def read_until(history: History, owner: str, seq: int) -> None:
    await history.select(
        "INSERT INTO alert_readers VALUES ($1, to_timestamp($2::float8)) RETURNING 1",
        owner,
        DAY / 1000 + seq,
    )


async def unread(history: History, owner: str) -> list[int]:
    """The numbers of the alerts that are told as new."""
    fired = await history.ask(FetchFired(owner, before=2**62, unread_only=True, limit=100))
    return sorted(one.alert.version.seq for one in fired.alerts)


async def names(history: History, owner: str) -> list[str]:
    return [one.name for one in await history.ask(FetchRows(WATCHLISTS, owner))]


async def moved_to(history: History, account: Account) -> Moved:
    moved: Moved = await history.ask(MoveOwner(AUTHOR, BROWSER, account.id))
    return moved


async def test_all_of_a_browser_goes_to_the_account(database_url: str) -> None:
    """Rules keep their standing, alerts their rule; a taken name gets a number; once is enough."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "ann")
        mine = owner_of(ann.id)
        await put_list(history, mine, "tech", "AAPL")
        await put_list(history, BROWSER, "Tech", "MSFT")
        await put_list(history, BROWSER, "Energy", "XOM")
        await put_list(history, "another", "theirs", "XOM")
        kept, gone = await put_rules(history, BROWSER, 100.0, 200.0)
        await history.ask(DeleteRow(RULES, BROWSER, gone))
        await fire(history, alert(BROWSER, kept, 1), alert(BROWSER, gone, 2))
        moved = await moved_to(history, ann)
        assert moved == Moved(lists=2, rules=1, alerts=2, renamed=("Tech (2)",))
        assert await names(history, mine) == ["Energy", "tech", "Tech (2)"]
        assert await names(history, "another") == ["theirs"]
        (rule,) = await history.ask(FetchRows(RULES, mine))
        assert (rule.id, rule.armed, rule.revision) == (kept, True, 1)
        deleted = await history.ask(FetchDeletedRows(RULES, mine))
        assert [one.row.id for one in deleted] == [gone]
        for table in ("watchlists", "alert_rules", "alerts"):
            ((left,),) = await history.select(
                f"SELECT count(*) FROM {table} WHERE owner = $1", BROWSER
            )
            assert left == 0, table
        assert await moved_to(history, ann) == Moved()
        entries = await history.select(
            "SELECT count(*) FROM operator_audit WHERE action = 'account.take'"
        )
        assert entries == [(1,)]


async def test_what_there_is_no_room_for_stays(database_url: str) -> None:
    """With the browser, and said; a rule that the account has already is no further one."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "ann")
        mine = owner_of(ann.id)
        for number in range(MOST_LISTS - 1):
            await put_list(history, mine, f"list {number}")
        await put_list(history, BROWSER, "a")
        await put_list(history, BROWSER, "b")
        await put_rules(history, mine, *(float(number) for number in range(MOST_RULES - 1)))
        same, first, second = await put_rules(history, BROWSER, 0.0, 1000.0, 1001.0)
        await fire(history, alert(BROWSER, same, 1), alert(BROWSER, second, 2))
        moved = await moved_to(history, ann)
        assert moved == Moved(lists=1, rules=1, alerts=1, lists_left=("b",), rules_left=1)
        assert await names(history, BROWSER) == ["b"]
        assert [rule.id for rule in await history.ask(FetchRows(RULES, BROWSER))] == [second]
        assert first in {rule.id for rule in await history.ask(FetchRows(RULES, mine))}
        assert (await unread(history, mine), await unread(history, BROWSER)) == ([1], [2])


async def test_nothing_unseen_is_told_as_read(database_url: str) -> None:
    """Alerts 1 and 3 are the browser's, 2 and 4 the account's; they were read up to there."""
    cases = [
        (None, None, [1, 2, 3, 4]),
        (1, 4, [3, 4]),  # the browser has not seen 3, and 4 is newer
        (3, 4, []),
        (3, 2, [4]),
        (3, None, [2, 3, 4]),
    ]
    async with running_history(database_url) as history:
        await history.until_up()
        for number, (browser_read, account_read, new) in enumerate(cases):
            ann, browser = await create(history, f"ann {number}"), f"browser {number}"
            mine = owner_of(ann.id)
            (theirs,) = await put_rules(history, browser, 1.0)
            (own,) = await put_rules(history, mine, 2.0)
            await fire(history, alert(browser, theirs, 1), alert(browser, theirs, 3))
            await fire(history, alert(mine, own, 2), alert(mine, own, 4))
            for owner, seq in ((browser, browser_read), (mine, account_read)):
                if seq is not None:
                    await read_until(history, owner, seq)
            await history.ask(MoveOwner(AUTHOR, browser, ann.id))
            assert await unread(history, mine) == new, number


async def test_what_fires_while_it_moves_is_the_accounts(database_url: str) -> None:
    """The watcher may know the owner of before when it stores it."""
    async with running_history(database_url) as history:
        await history.until_up()
        ann = await create(history, "ann")
        (rule,) = await put_rules(history, BROWSER, 1.0)
        await moved_to(history, ann)
        await fire(history, alert(BROWSER, rule, 1))
        assert await unread(history, owner_of(ann.id)) == [1]


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("a", set(), "a"),
        ("A", {"a"}, "A (2)"),
        ("a", {"a", "a (2)"}, "a (3)"),
        ("x" * 60, {"x" * 60}, "x" * 56 + " (2)"),
    ],
)
def test_a_taken_name_gets_a_number(name: str, taken: set[str], free: str) -> Any:
    """In any case of its letters, and not beyond the longest."""
    assert free_name(name, taken) == free


@pytest.mark.parametrize(
    ("there", "comes"),
    [("ΟΔΟΣ", "οδοσ"), ("ΟΔΟΣ", "οδος"), ("İpek", "ipek"), ("IRMAK", "\u0131rmak")],
)
def test_what_some_locale_of_the_database_takes_for_one_name_is_taken(there, comes):
    """Python's lower case is another one than PostgreSQL's: its index would refuse it all."""
    assert free_name(comes, {folded(there)}) == f"{comes} (2)"
