"""Purging: what is too old goes, what somebody is still owed stays; all on a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest
import trio

from stockstream import paths
from stockstream.alerts.rule_rows import STALE_MS, FetchChanges
from stockstream.database.pool import PoolSettings
from stockstream.database.query import Purpose, Query
from stockstream.tables import Tables
from stockstream.times import DAY_MS, HOUR_MS, now_ms
from stockstream.users.purging import PURGED_AT_ONCE, UNSEEN_DAYS, Purge, Purged, PurgeSettings
from stockstream.users.rows import CreateRow, RestoreRow
from stockstream.users.watchlists import WATCHLISTS, WantedList, Watchlist
from supervision import System
from tests.support.database import psql
from tests.support.gateway import DAY, History, running_history
from tests.support.history import select
from tests.support.retention import retaining_root
from web.users.access import COOKIE_SECONDS

if TYPE_CHECKING:
    from stockstream.database.query import Connection

NOW = DAY + 12 * HOUR_MS
RULE = """
INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis, deleted_at)
VALUES ('me', 'AAPL', 'above', $1, 0, to_timestamp($2::float8)) RETURNING id
"""
ALERT = """
INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, price, quoted_at, epoch, seq, fired_at)
SELECT $1, $2, 'AAPL', 'above', 100, 101, t, 1, (SELECT count(*) FROM alerts), t
FROM to_timestamp($3::float8) t RETURNING id
"""


def purge(*, dry_run: bool = False) -> Purge:
    return Purge(NOW, alerts=90, deleted=30, audit=365, dry_run=dry_run)


def ago(days: float) -> float:
    """Seconds since 1970 of a moment so many days before `NOW`."""
    return (NOW - days * DAY_MS) / 1000


async def put_rule(history: History, deleted: float | None = None) -> int:
    """A rule; `deleted` so many days ago."""
    number = (await history.select("SELECT count(*) + 1 FROM alert_rules"))[0][0]
    at = None if deleted is None else ago(deleted)
    ((rule,),) = await history.select(RULE, float(number), at)
    return int(rule)


async def put_alert(
    history: History, rule: int, days: float, *, owner: str = "me", call: str | None = None
) -> int:
    """An alert that fired so many days ago; its webhook's call is in the state `call`."""
    ((number,),) = await history.select(ALERT, rule, owner, ago(days))
    if call is not None:
        await history.select(
            "INSERT INTO webhook_deliveries (alert_id, owner, url, state) "
            "VALUES ($1, $2, 'https://a.example', $3) RETURNING 1",
            number,
            owner,
            call,
        )
    return int(number)


async def read_all(history: History, owner: str, days: float) -> None:
    """The user has seen all that fired up to so many days ago."""
    await history.select(
        "INSERT INTO alert_readers VALUES ($1, to_timestamp($2::float8)) RETURNING 1",
        owner,
        ago(days),
    )


async def left(history: History, table: str, key: str = "id") -> list[int]:
    return [row[0] for row in await history.select(f"SELECT {key} FROM {table} ORDER BY 1")]


async def test_an_alert_goes_when_it_is_old_and_its_user_has_seen_it(database_url: str) -> None:
    """Unseen it stays, until no browser is left that could show it; a new one stays anyhow."""
    async with running_history(database_url) as history:
        await history.until_up()
        rule = await put_rule(history)
        await read_all(history, "me", 100)
        await put_alert(history, rule, UNSEEN_DAYS + 1)
        await put_alert(history, rule, 101)
        unseen = await put_alert(history, rule, 99)
        new = await put_alert(history, rule, 89)
        old = await put_alert(history, rule, UNSEEN_DAYS - 1, owner="never here")
        await put_alert(history, rule, UNSEEN_DAYS + 1, owner="never here")
        plan = await history.ask(purge(dry_run=True))
        assert plan == Purged({"alerts": 3})
        assert len(await left(history, "alerts")) == 6
        assert await history.ask(purge()) == plan
        assert await left(history, "alerts") == [unseen, new, old]
        assert await history.ask(purge()) == Purged()
    assert UNSEEN_DAYS * 86_400 == COOKIE_SECONDS, "longer than a browser keeps its cookie"


@pytest.mark.parametrize(
    ("call", "goes"), [("pending", False), ("delivered", True), ("dead", True), (None, True)]
)
async def test_an_alert_stays_while_its_webhook_waits(
    database_url: str, call: str | None, goes: bool
) -> None:
    """It goes with its delivery once that has ended, however it did."""
    async with running_history(database_url) as history:
        await history.until_up()
        await read_all(history, "me", 1)
        it = await put_alert(history, await put_rule(history), UNSEEN_DAYS + 100, call=call)
        await history.ask(purge())
        assert await left(history, "alerts") == ([] if goes else [it])
        calls = await left(history, "webhook_deliveries", "alert_id")
        assert calls == ([it] if call == "pending" else [])


async def test_how_far_a_user_has_read_goes_with_the_last_alert(database_url: str) -> None:
    """Nothing is left to be told apart by it; while there is an alert, it stays."""
    async with running_history(database_url) as history:
        await history.until_up()
        rule = await put_rule(history)
        await put_alert(history, rule, 1)
        await put_alert(history, rule, 120, owner="gone")
        for owner in ("me", "gone"):
            await read_all(history, owner, 100)
        await read_all(history, "lately here", 80)
        assert await history.ask(purge()) == Purged({"alerts": 1, "alert_readers": 1})
        owners = await history.select("SELECT owner FROM alert_readers ORDER BY 1")
        assert owners == [("lately here",), ("me",)]


@pytest.mark.proves("H15")
async def test_deleted_rows_go_when_nobody_can_want_them_back(database_url: str) -> None:
    """Rules and lists, a month after; a rule not before the last alert that it fired."""
    async with running_history(database_url) as history:
        await history.until_up()
        there = await put_rule(history)
        await put_rule(history, deleted=31)
        lately = await put_rule(history, deleted=29)
        fired = await put_rule(history, deleted=200)
        await put_alert(history, fired, 89)
        await read_all(history, "me", 1)
        for days in ("NULL", str(ago(29)), str(ago(31))):
            await history.select(
                "INSERT INTO watchlists (owner, name, symbols, deleted_at) "
                f"VALUES ('me', 'a', '{{}}', to_timestamp({days})) RETURNING 1"
            )
        assert await history.ask(purge()) == Purged({"alert_rules": 1, "watchlists": 1})
        assert await left(history, "alert_rules") == [there, lately, fired]
        assert len(await left(history, "watchlists")) == 2
        await history.select("UPDATE alerts SET fired_at = fired_at - interval '2 d' RETURNING 1")
        assert await history.ask(purge()) == Purged({"alerts": 1, "alert_rules": 1})
        assert await left(history, "alert_rules") == [there, lately]


@pytest.mark.proves("H15")
async def test_addresses_of_mail_go_with_their_letters_and_questions_go_alone(
    database_url: str,
) -> None:
    """An address that is in use keeps what says that it was asked lately."""
    async with running_history(database_url) as history:
        await history.until_up()
        for address, deleted in (("gone", 31.0), ("lately", 29.0), ("used", None)):
            await history.select(
                """
                WITH a AS (
                    INSERT INTO mail_addresses (owner, address, deleted_at)
                    VALUES ('me', $1, to_timestamp($2::float8)) RETURNING id)
                INSERT INTO mail_deliveries (address_id, created_at)
                SELECT id, to_timestamp(at) FROM a, unnest($3::float8[]) at RETURNING 1
                """,
                address,
                None if deleted is None else ago(deleted),
                [ago(31), ago(1)],
            )
        await history.ask(purge())
        left = await history.select("SELECT address FROM mail_addresses ORDER BY 1")
        assert left == [("lately",), ("used",)]
        letters = await history.select("SELECT created_at FROM mail_deliveries")
        assert len(letters) == 2


async def test_the_audit_goes_after_a_year_a_few_rows_at_a_time(database_url: str) -> None:
    """Each step ends soon, and says whether another would find more."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(
            "INSERT INTO audit (at, who, what, row_id, action) "
            "SELECT to_timestamp($1::float8) + n * interval '1 s', 'me', 'watchlists', n, 'create' "
            "FROM generate_series(1, $2::int) n RETURNING 1",
            ago(365) - 2 * PURGED_AT_ONCE - 10.5,
            2 * PURGED_AT_ONCE + 20,
        )
        steps = [await history.ask(purge()) for _ in range(3)]
        assert [step.rows["audit"] for step in steps] == [PURGED_AT_ONCE, PURGED_AT_ONCE, 10]
        assert [step.more for step in steps] == [True, True, False]
        assert steps[0].plus(steps[1]).plus(steps[2]).rows == {"audit": 2 * PURGED_AT_ONCE + 10}
        assert len(await left(history, "audit")) == 10


async def test_logins_and_tokens_go_a_month_after_their_end_and_tickets_at_once(
    database_url: str,
) -> None:
    """Living ones stay, however old they are."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(
            "INSERT INTO user_accounts (name, role) VALUES ('a', 'viewer') RETURNING 1"
        )
        ends = [(29, None), (31, None), (-5, 29), (-5, 31), (-5, None)]
        for number, (expired, ended) in enumerate(ends, 1):
            for table, columns, values, end in (
                ("user_sessions", "how, address, agent", "'oidc', '', ''", "ended_at"),
                ("user_tokens", "key, name, scopes", f"'{number}', 'a', '{{load}}'", "revoked_at"),
            ):
                await history.select(
                    f"INSERT INTO {table} (digest, account_id, expires_at, {end}, {columns}) "
                    "SELECT sha256($1::text::bytea), id, to_timestamp($2::float8), "
                    f"to_timestamp($3::float8), {values} FROM user_accounts RETURNING 1",
                    str(number),
                    ago(expired),
                    None if ended is None else ago(ended),
                )
        for number, expires in ((1, ago(-1)), (2, ago(0) - 1)):
            await history.select(
                "INSERT INTO user_tickets (digest, session_id, expires_at) "
                "SELECT sha256($1::text::bytea), max(id), to_timestamp($2::float8) "
                "FROM user_sessions RETURNING 1",
                str(number),
                expires,
            )
        gone = {"user_sessions": 2, "user_tokens": 2, "user_tickets": 1}
        assert await history.ask(purge()) == Purged(gone)
        for table in ("user_sessions", "user_tokens"):
            assert await left(history, table) == [1, 3, 5]


@dataclass(frozen=True, slots=True)
class HoldList(Query[None]):
    """Lock a deleted list as somebody does who brings it back, and keep it until it may end."""

    id: int
    may_end: threading.Event
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.fetch("SELECT FROM watchlists WHERE id = $1 FOR UPDATE", self.id)
            while not self.may_end.is_set():
                await connection.fetch("SELECT pg_sleep(0.02)")
            await connection.execute(
                "UPDATE watchlists SET deleted_at = NULL WHERE id = $1", self.id
            )


async def test_a_row_that_is_being_brought_back_stays(database_url: str) -> None:
    """Purging neither waits for who holds it, nor takes it from them; a purged one is missing."""
    may_end = threading.Event()
    patient = {Purpose.ROWS: PoolSettings(2, 4, 60.0)}
    async with running_history(database_url, pools=patient) as history:
        await history.until_up()
        made = [
            await history.ask(CreateRow(WATCHLISTS, "me", WantedList(name, []))) for name in "ab"
        ]
        held, other = (row.id for row in made if isinstance(row, Watchlist))
        await history.select(
            "UPDATE watchlists SET deleted_at = to_timestamp($1::float8) RETURNING 1", ago(40)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(history.ask, HoldList(held, may_end))
            await history.until_rows(
                [(1,)], "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            )
            with trio.fail_after(20):
                assert await history.ask(purge()) == Purged({"watchlists": 1})
            may_end.set()
        assert await left(history, "watchlists") == [held]
        assert await history.ask(RestoreRow(WATCHLISTS, "me", other)) == WATCHLISTS.missing


async def test_who_was_away_for_long_reads_all_rules_anew(database_url: str) -> None:
    """What was deleted meanwhile may be purged: no change tells of it any more."""
    async with running_history(database_url) as history:
        await history.until_up()
        rule = await put_rule(history)
        now = now_ms()
        # To come: the database's clock was set back since.
        away = [(None, True), (now - HOUR_MS, False), (now - 2 * STALE_MS, True)]
        for since, complete in (*away, (now + HOUR_MS, True)):
            changes = await history.ask(FetchChanges(since))
            assert changes.complete is complete
            assert [found.id for found in changes.rules] == [rule]
    assert PurgeSettings().deleted * DAY_MS > STALE_MS


@pytest.mark.proves("H6")
async def test_the_retention_actor_purges(database_url: str) -> None:
    """With the rest of its work, step by step until nothing is left."""
    psql(
        database_url,
        "INSERT INTO audit (at, who, what, row_id, action) "
        "SELECT now() - interval '31 d', 'me', 'watchlists', n, 'create' "
        f"FROM generate_series(1, {PURGED_AT_ONCE + 1}) n",
    )
    tables = Tables()
    system = System()
    async with trio.open_nursery() as nursery:
        root = retaining_root(database_url, tables, PurgeSettings(audit=30))
        up = trio.Event()
        nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
        await up.wait()
        with trio.fail_after(20):
            while await select(system.ref(paths.DATABASE), "SELECT FROM audit LIMIT 1"):  # noqa: ASYNC110 - nobody is told
                await trio.sleep(0.05)
        system.stop()
