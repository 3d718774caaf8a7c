"""The audit of operators on a real PostgreSQL: by actions, through an outage, read and exported."""

from __future__ import annotations

import csv
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.audit_inbox import AuditEntry, AuditInbox
from stockstream.cli import audit
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.query import DatabaseError, ask
from stockstream.database.servers import Server
from stockstream.tables import Tables
from stockstream.times import now_ms
from stockstream.users.audit_keeper import AuditKeeper, EntriesWait
from stockstream.users.operator_audit import Author, FetchEntries, Place, WriteEntries
from stockstream.users.purging import Purge
from supervision import Actor, ChildSpec, Request, System, handles, supervisor
from tests.integration.admin.operators import by_token, log_in, somebody, token_of
from tests.support.commands import command
from tests.support.database import PostgresServer, psql
from tests.support.gateway import running_history
from tests.support.tree import NO_DATABASE, running_tree

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PATH = "/admin/api/audit"
WAIT_SECONDS = 20.0
AUTHOR = Author("alice", 7, "session 3", "192.0.2.7", "a")


class Act(Request[None]):
    """Have `web` note entries."""

    def __init__(self, *entries: AuditEntry) -> None:
        self.entries = entries


class ActingWeb(Actor):
    """Takes the place of `web`, which alone may write."""

    def __init__(self, inbox: AuditInbox) -> None:
        self._inbox = inbox

    @handles(Act)
    def _on_act(self, request: Act) -> None:
        for entry in request.entries:
            self._inbox.append(entry)
        self.system.ref(paths.AUDIT).cast(EntriesWait())


async def entries_of(program: httpx.AsyncClient, **query: str | int) -> list[dict[str, Any]]:
    """A page of the audit, the newest first, once all that was done is stored."""
    with trio.fail_after(WAIT_SECONDS):
        while True:
            answer = await program.get(PATH, params=query)
            if answer.status_code == 200 and answer.json()["waiting"] == 0:
                return list(answer.json()["entries"])
            assert answer.status_code in {200, 503}, answer.text
            await trio.sleep(0.05)


async def test_what_operators_do_can_be_read(database_url: str) -> None:
    """Done and refused alike: who, by what, from where, what, to whom, and how it ended."""
    async with (
        running_tree(database_url=database_url, chaos_enabled=True) as tree,
        by_token(tree) as program,
        somebody(tree) as browser,
    ):
        assert (await browser.get(PATH)).status_code == 401
        await log_in(browser, token_of(tree))
        begun = await program.put("/admin/api/loggers/bus", json={"level": "debug", "seconds": 5})
        assert begun.status_code == 200
        kill = {"action": "kill", "target": "delivery/broadcaster", "reason": "a\0b"}
        assert (await program.post("/admin/api/chaos/inject", json=kill)).status_code == 200
        wrong = {"action": "kill", "target": "=nobody"}
        assert (await program.post("/admin/api/chaos/inject", json=wrong)).status_code == 404
        assert (await program.delete("/admin/api/loggers/bus")).status_code == 200
        assert (await program.post("/admin/api/chaos/halt")).status_code == 200

        found = await entries_of(program)
        told = [(one["action"], one["target"], one["outcome"]) for one in found]
        assert told == [
            ("chaos.halt", None, "done"),
            ("log_level.take_back", "bus", "done"),
            ("chaos.inject", "=nobody", "refused: no_such_target"),
            ("chaos.inject", "delivery/broadcaster", "done"),
            ("log_level.lend", "bus", "done"),
            ("break_glass.login", None, "done"),
        ]
        assert {one["who"] for one in found} == {"ADMIN_TOKEN"}
        assert {one["address"] for one in found} == {"127.0.0.1"}
        assert found[-1]["credential"].startswith("break-glass session ")
        assert found[0]["credential"] == "break-glass"
        assert found[4]["after"] == {"level": "debug", "seconds": 5.0}
        assert found[4]["before"] == {"level": found[1]["after"]["level"]}
        assert found[4]["correlation_id"] == begun.headers["X-Request-Id"]
        assert found[3]["after"]["reason"] == "a\N{REPLACEMENT CHARACTER}b"

        # Page by page, and only some.
        first = (await program.get(PATH, params={"limit": 4})).json()
        after = {"limit": 4, "cursor": first["next_cursor"]}
        second = (await program.get(PATH, params=after)).json()
        assert first["entries"] + second["entries"] == found
        assert second["next_cursor"] is None
        assert len(await entries_of(program, action="chaos")) == 3
        assert await entries_of(program, action="chao") == []
        assert await entries_of(program, who="bob") == []
        since = {"from": found[2]["at"], "to": found[0]["at"]}
        between = [one for one in found if since["from"] <= one["at"] < since["to"]]
        assert await entries_of(program, **since) == between
        for name, value in (("cursor", "1"), ("limit", "0"), ("who", ""), ("whom", "me")):
            answer = await program.get(PATH, params={name: value})
            assert (answer.status_code, [*answer.json()["error"]["fields"]]) == (422, [name])


async def test_chaos_works_and_is_noted_without_a_database() -> None:
    """The action does not wait; reading says that it cannot, and when to come again."""
    async with (
        running_tree(chaos_enabled=True) as tree,
        by_token(tree) as program,
    ):
        kill = {"action": "kill", "target": paths.AUDIT}
        answer = await program.post("/admin/api/chaos/inject", json=kill)
        assert (answer.status_code, answer.json()["verified"]) == (200, True)
        answer = await program.get(PATH)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


async def test_entries_outlive_an_outage_and_kills_of_their_keeper(database_url: str) -> None:
    """Each is stored once, in order; one that the database refuses holds up no other."""
    url = NO_DATABASE
    tables = Tables()
    # A limit of its own: what finds no room is told in the audit.
    inbox = AuditInbox(writer=paths.WEB, reader=paths.AUDIT, limit=12)
    server = DatabaseSettings(Server("DATABASE_URL", lambda: url))
    system = System()
    root = supervisor(
        "root",
        [
            supervisor(
                "database",
                [ChildSpec("gateway", partial(Database, server, tables.database, AsyncioThread()))],
            ),
            supervisor("users", [ChildSpec("audit", partial(AuditKeeper, inbox, "a"))]),
            ChildSpec("web", partial(ActingWeb, inbox)),
        ],
    )
    made = [AUTHOR.entry("test.act", str(number)) for number in range(10)]
    poison = msgspec.structs.replace(AUTHOR.entry("test.poison"), target="\0")
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
        await up.wait()
        web = system.ref(paths.WEB)
        await web.call(Act(*made[:5], poison, *made[5:], *made[:1], *made[:3]))
        assert inbox.statistics().lost == 3
        keeper = system.ref(paths.AUDIT)
        keeper.kill()
        url = database_url
        with trio.fail_after(WAIT_SECONDS):
            while inbox.statistics().waiting or inbox.untold:  # noqa: ASYNC110 - tables tell nobody
                await trio.sleep(0.01)
        found = await ask(system.ref(paths.DATABASE), FetchEntries(100, oldest_first=True))
        system.stop()
    told = [one.entry.target for one in found if one.entry.action == "test.act"]
    assert told == [str(number) for number in range(10)]
    (lost,) = [one.entry for one in found if one.entry.action == "audit.lost"]
    assert lost.after == '{"entries": 4}'
    assert inbox.statistics().lost == 4, "one of them was refused"


async def test_the_right_to_change_it_can_be_taken_away(
    database_url: str, postgres_server: PostgresServer
) -> None:
    """As docs/accounts.md says: the server goes on to add and to read, and purges all else."""
    psql(
        database_url,
        "DO $$ BEGIN CREATE ROLE served LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO served;"
        "REVOKE ALL ON operator_audit FROM served;"
        "GRANT SELECT, INSERT ON operator_audit TO served;",
    )
    name = psql(database_url, "SELECT current_database()")
    async with running_history(postgres_server.url_of(name, "served")) as history:
        await history.until_up()
        old = AUTHOR.entry("test.act")
        await history.ask(WriteEntries((old, old)))
        await history.ask(WriteEntries((old,)))
        year = now_ms() + 400 * 86_400_000
        for dry_run in (True, False):
            purged = await history.ask(Purge(year, 90, 30, 365, dry_run=dry_run))
            assert dict(purged.rows) == {}
        (kept,) = await history.ask(FetchEntries(10))
        assert kept.entry.key == old.key
        for sql in ("UPDATE operator_audit SET who = 'x'", "DELETE FROM operator_audit"):
            with pytest.raises(DatabaseError, match="permission denied"):
                await history.select(f"{sql} RETURNING 1")
    async with running_history(database_url) as owner:
        await owner.until_up()
        purged = await owner.ask(Purge(year, 90, 30, 365))
        assert dict(purged.rows) == {"operator_audit": 1}


async def test_pages_lose_nothing_of_one_moment(database_url: str) -> None:
    """Entries of the same millisecond are told apart by their numbers, in both directions."""
    entry = AUTHOR.entry("test.act")
    made = tuple(msgspec.structs.replace(entry, key=str(number)) for number in range(7))
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(WriteEntries(made))
        for oldest_first in (True, False):
            keys: list[str] = []
            place: Place | None = None
            while page := await history.ask(
                FetchEntries(3, beyond=place, oldest_first=oldest_first)
            ):
                keys += [one.entry.key for one in page]
                place = Place(page[-1].entry.at, page[-1].id)
            assert keys == [str(n) for n in (range(7) if oldest_first else reversed(range(7)))]


def test_the_commands_show_and_export(database_url: str, tmp_path: Path) -> None:
    """Straight from the database: the last ones, and a file for a sheet."""
    environment = {**os.environ, "DATABASE_URL": database_url}
    for number in range(3):
        psql(
            database_url,
            "INSERT INTO operator_audit (key, at, who, credential, address, node, action, target, "
            f"outcome) VALUES ('{number}', now(), 'alice', 'cli', '', 'a', 'test.act', "
            f"'={number}', 'done')",
        )
    shown = command(("audit", "tail", "-n", "2"), environment, tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert [line.split("  ")[1:5] for line in shown.stdout.decode().splitlines()] == [
        ["alice", "test.act", "=1", "done"],
        ["alice", "test.act", "=2", "done"],
    ]
    done = command(("audit", "export", "--output", "audit.csv"), environment, tmp_path)
    assert (done.returncode, done.stdout) == (0, b"audit.csv: 3 entries\n"), done.stderr
    target = tmp_path / "audit.csv"
    with target.open(newline="") as file:
        assert [row["target"] for row in csv.DictReader(file)] == ["'=0", "'=1", "'=2"]
    assert target.stat().st_mode & 0o077 == 0


async def test_entries_are_followed_as_they_are_stored(database_url: str) -> None:
    """Whatever their own times; each once."""
    made = [AUTHOR.entry("test.act", str(number)) for number in range(4)]
    late = msgspec.structs.replace(made[3], at=made[0].at - 1_000_000)
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(WriteEntries(tuple(made[:2])))
        newest = await history.ask(FetchEntries(1))
        await history.ask(WriteEntries((late,)))
        with trio.fail_after(WAIT_SECONDS):
            stream = audit.followed(history.database, newest)
            first = await anext(stream)
            await history.ask(WriteEntries((made[2],)))
            second = await anext(stream)
            await stream.aclose()
    assert [first.entry.target, second.entry.target] == ["3", "2"]
