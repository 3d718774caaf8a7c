"""`stockstream db` on Debian's PostgreSQL and through PgBouncer, as a user without rights."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.integration.cli.test_db import TICKS, put_ticks
from tests.support.database import locked, psql
from tests.support.debian import PASSWORD, DebianServer, debian_server, pgbouncer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.cli.conftest import Ended

    Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def debian() -> Iterator[DebianServer]:
    with debian_server() as server:
        yield server


def line(ended: Ended) -> str:
    assert (ended.code, ended.out) == (1, ""), ended
    assert ended.err.count("\n") == 1
    return ended.err


@pytest.mark.proves("H13", "H26")
def test_tables_in_a_schema_of_the_users_own_are_backed_up_and_restored(
    stockstream: Run, debian: DebianServer
) -> None:
    """As PostgreSQL 15 wants it: a user may make nothing in `public`. A backup of it is restored
    where the user finds the schema, and refused where he looks for the tables elsewhere.
    """
    own = debian.url(debian.create_database("stockstream"), "?channel_binding=prefer")
    for command in ("migrate", "status"):
        ended = stockstream("db", command, DATABASE_URL=own)
        assert ended.code == 0, ended
    put_ticks(own, 90)
    before = psql(own, TICKS)
    assert stockstream("db", "backup", "own.dump", DATABASE_URL=own).code == 0
    psql(own, "DELETE FROM ticks")
    ended = stockstream("db", "restore", "own.dump", "--yes", DATABASE_URL=own)
    assert ended.code == 0, ended
    assert psql(own, TICKS) == before
    other = debian.url(debian.create_database("stockstream"))
    assert stockstream("db", "restore", "own.dump", "--yes", DATABASE_URL=other).code == 0
    elsewhere = debian.create_database()
    told = line(
        stockstream("db", "restore", "own.dump", "--yes", DATABASE_URL=debian.url(elsewhere))
    )
    assert 'schema "stockstream" does not exist' in told
    psql(debian.operator_url(elsewhere), "CREATE SCHEMA stockstream AUTHORIZATION stockstream")
    astray = debian.url(elsewhere, "?options=-c%20search_path%3Dpublic")
    told = line(stockstream("db", "restore", "own.dump", "--yes", DATABASE_URL=astray))
    assert "stand in schema stockstream, and this user looks for them in public" in told


@pytest.mark.proves("H13", "H26")
@pytest.mark.parametrize(("role", "schema"), [("Stock Stream", "public"), ("ss", 'my "own" one')])
def test_a_role_and_a_schema_may_have_any_name(
    role: str, schema: str, stockstream: Run, debian: DebianServer
) -> None:
    """What pg_restore lists has blanks between the names, and may have them in these."""
    database = debian.create_database()
    operator = debian.operator_url(database)
    named = schema.replace('"', '""')
    psql(
        operator,
        f"""CREATE ROLE "{role}" LOGIN; CREATE SCHEMA IF NOT EXISTS "{named}";
    GRANT ALL ON SCHEMA "{named}" TO "{role}";
    ALTER ROLE "{role}" IN DATABASE {database} SET search_path = "{named}" """,
    )
    own = operator.replace("postgres@", f"{quote(role)}@")
    assert stockstream("db", "migrate", DATABASE_URL=own).code == 0
    put_ticks(own, 30)
    assert stockstream("db", "backup", "own.dump", DATABASE_URL=own).code == 0
    psql(own, "DELETE FROM ticks")
    ended = stockstream("db", "restore", "own.dump", "--yes", DATABASE_URL=own)
    assert ended.code == 0, ended
    assert psql(own, "SELECT count(*) FROM ticks") == "30"


@pytest.mark.proves("H13")
def test_a_pooler_by_transaction_is_no_way_for_a_backup(
    stockstream: Run, debian: DebianServer
) -> None:
    """It is refused before pg_dump leaves anything on a connection of others; all other commands
    work, and a pool by session is good for this one too.
    """
    database = debian.create_database()
    with pgbouncer(debian, "session", size=9) as port:
        url = debian.url(database, port=port)
        assert stockstream("db", "migrate", DATABASE_URL=url).code == 0
        put_ticks(debian.url(database), 90)
        assert stockstream("db", "backup", "prices.dump", DATABASE_URL=url).code == 0
    with pgbouncer(debian, "transaction") as port:
        url = debian.url(database, port=port)
        told = line(stockstream("db", "backup", "more.dump", DATABASE_URL=url))
        assert "a pooler lends its connections for a transaction" in told
        ended = stockstream("db", "export", "--output", "t.csv", DATABASE_URL=url)
        assert ended.out == "t.csv: 90 ticks\n", ended
        psql(debian.url(database), "DELETE FROM ticks")
        ended = stockstream("db", "restore", "prices.dump", "--yes", DATABASE_URL=url)
        assert ended.code == 0, ended
        ended = stockstream("db", "import", "t.csv", DATABASE_URL=url)
        assert ended.out.startswith("90 ticks read, 0 of them new\n"), ended
        assert stockstream("db", "retention", DATABASE_URL=url).code == 0
        assert psql(url, "SHOW search_path") == '"$user", public'


@pytest.mark.proves("H13")
@pytest.mark.parametrize("form", ["before", "query"])
def test_no_password_stands_among_a_programs_arguments(
    form: str, environment: dict[str, str], debian: DebianServer, tmp_path: Path
) -> None:
    """Of pg_dump, whichever way the URL has it: everybody on the machine may read them."""
    database = debian.create_database()
    url = debian.url(database)
    if form == "query":
        login, _, place = url.removeprefix("postgresql://").rpartition("@")
        name, _, password = login.partition(":")
        url = f"postgresql://{place}?user={name}&password={password}"
    program = [sys.executable, "-m", "stockstream", "db"]
    env = {**environment, "DATABASE_URL": url}
    subprocess.run([*program, "migrate"], cwd=tmp_path, env=env, check=True, capture_output=True)
    with locked(debian.operator_url(database), "audit"):
        process = subprocess.Popen([*program, "backup", "x.dump"], cwd=tmp_path, env=env)
        try:
            arguments = _arguments_of("pg_dump", database)
        finally:
            process.terminate()
            process.wait(20)
    assert b"stockstream" in arguments
    for secret in (PASSWORD, url.partition("p%40")[1] + "ss"):
        assert secret.encode() not in arguments


def _arguments_of(name: str, holding: str) -> bytes:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = place.read_bytes()
            except OSError:
                continue
            if name.encode() in arguments.split(b"\0")[0] and holding.encode() in arguments:
                return arguments
        time.sleep(0.02)
    raise AssertionError(f"no {name} runs")
