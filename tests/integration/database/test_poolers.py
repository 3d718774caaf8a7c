"""History through PgBouncer and on Debian's PostgreSQL, by the URLs that operators have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.database.connecting import attempt_seconds
from stockstream.database.pool import PoolSettings
from stockstream.database.query import Purpose, Unavailable
from stockstream.history.candles import fold
from stockstream.history.queries import FetchCandles, FetchTicks
from stockstream.history.recording import Record
from stockstream.history.rolling import RollUp
from stockstream.history.transfer import ImportTicks
from stockstream.history.upkeep import Retain
from tests.integration.database.test_gateway import Sleep
from tests.support.database import psql
from tests.support.debian import DebianServer, closed_port, debian_server, pgbouncer
from tests.support.gateway import DAY, batch, running_history, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

EVER = 4_000_000_000_000
SESSIONS = {
    "locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "statements": "SELECT count(*) FROM pg_prepared_statements",
    "limit": "SHOW statement_timeout",
    "path": "SHOW search_path",
}
CLEAN = {"locks": "0", "statements": "0", "limit": "0", "path": '"$user", public'}


@pytest.fixture(scope="module")
def debian() -> Iterator[DebianServer]:
    with debian_server() as server:
        yield server


@pytest.mark.proves("H2", "H3", "H16")
@pytest.mark.parametrize(
    ("mode", "settings", "query"),
    [
        ("session", [], ""),
        ("transaction", [], ""),
        ("transaction", ["server_round_robin = 1"], "?pgbouncer=true"),
        (
            "transaction",
            [
                "ignore_startup_parameters = statement_timeout, "  # noqa: ISC004 - one line of it
                "idle_in_transaction_session_timeout, default_transaction_isolation"
            ],
            "",
        ),
    ],
    ids=["session", "transaction", "named", "ignored"],
)
async def test_history_works_through_a_pooler(
    debian: DebianServer, mode: str, settings: list[str], query: str
) -> None:
    """All that the server does, by several at once; a statement ends at its limit; and what is
    lent is given back as it was: no lock, no statement, no setting stays on it.
    """
    database = debian.create_database()
    ticks = [tick(n) for n in range(600)]
    with pgbouncer(debian, mode, *settings, size=9 if mode == "session" else 3) as port:
        pools = {Purpose.READ: PoolSettings(4, 64, 3.0)}
        async with running_history(debian.url(database, query, port), pools=pools) as history:
            await history.until_up()

            async def record(part: int) -> None:
                for number in range(10):
                    some = ticks[part * 100 + number * 10 :][:10]
                    await history.ask(Record([batch(part * 10 + number, *some)]))

            async def read() -> None:
                for _ in range(20):
                    await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 99))
                    await history.ask(FetchTicks("AAPL", 0, EVER, 999))

            async with trio.open_nursery() as nursery:
                for part in range(4):
                    nursery.start_soon(record, part)
                    nursery.start_soon(read)
                await history.ask(ImportTicks(ticks[400:500]))
            assert (await history.ask(ImportTicks(ticks))).new == 100
            await history.ask(RollUp(EVER))
            assert await history.ask(FetchTicks("AAPL", 0, EVER, 999)) == ticks
            for interval, length in (("1m", 60_000), ("1h", 3_600_000)):
                found = await history.ask(FetchCandles("AAPL", interval, 0, EVER, 99))
                assert found == fold(ticks, length)
            with pytest.raises(Unavailable, match=r"QueryCanceled|in time"):
                await history.ask(Sleep(60))
            assert debian_sleepers(debian) == "0"
            done = await history.ask(Retain(DAY + 30 * 86_400_000))
            assert done.dropped or done.deleted
        lent = {name: psql(debian.url(database, port=port), sql) for name, sql in SESSIONS.items()}
        assert lent == CLEAN
    assert psql(debian.operator_url(database), SESSIONS["locks"]) == "0"


def debian_sleepers(debian: DebianServer) -> str:
    return psql(
        debian.operator_url(),
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ 'pg_sleep.[$]1'",
    )


USUAL = (
    "?sslmode=prefer&channel_binding=prefer&connect_timeout=3&application_name=ticker",
    "?keepalives=1&keepalives_idle=30&keepalives_interval=5&tcp_user_timeout=9000",
    "?target_session_attrs=read-write&load_balance_hosts=random&gssencmode=disable",
    "?options=-c%20lock_timeout%3D7s&client_encoding=UTF8&pgbouncer=false",
)


@pytest.mark.proves("H2")
async def test_the_usual_parameters_of_a_url_work(debian: DebianServer) -> None:
    """Those of libpq, each done or handed on."""
    database = debian.create_database()
    for number, query in enumerate(USUAL, 1):
        async with running_history(debian.url(database, query)) as history:
            await history.until_up()
            await history.ask(Record([batch(number)]))
            stored = await history.ask(FetchTicks("AAPL", 0, EVER, 9))
            assert stored == [tick(n) for n in range(1, number + 1)]
            if "ticker" in query:
                name = "application_name ~ '^ticker stockstream write'"
                count = f"SELECT count(*) FROM pg_stat_activity WHERE {name}"
                assert psql(debian.operator_url(), count) == "1"
            if "lock_timeout" in query:
                assert await history.select("SHOW lock_timeout") == [("7s",)]


@pytest.mark.proves("H12", "H16")
async def test_transactions_are_not_as_the_role_has_them(debian: DebianServer) -> None:
    """Under a stricter default an import beside a recorder would fail, to be tried again."""
    name = debian.create_database()
    stricter = f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    psql(debian.operator_url(), stricter)
    with pgbouncer(debian, "transaction") as port:
        for url in (debian.url(name), debian.url(name, port=port)):
            async with running_history(url) as history:
                await history.until_up()
                found = await history.select("SHOW transaction_isolation")
                assert found == [("read committed",)]


@pytest.mark.proves("H2")
async def test_of_several_hosts_the_one_that_answers_is_used(debian: DebianServer) -> None:
    """A port where nobody listens, an address that answers nothing, and then the server."""
    database = debian.create_database()
    hosts = f"127.0.0.1:{closed_port()},192.0.2.1:5432,127.0.0.1:{debian.port}"
    url = debian.url(database).replace(f"127.0.0.1:{debian.port}", hosts) + "?connect_timeout=1"
    assert attempt_seconds(url) == 3
    async with running_history(url) as history:
        await history.until_up()
        await history.ask(Record([batch(1)]))
        assert await history.ask(FetchTicks("AAPL", 0, EVER, 9)) == [tick(1)]
