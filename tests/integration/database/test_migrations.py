"""The schema's versions: up and down, once though several start at once, never backwards alone."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import TYPE_CHECKING

import pytest
import trio
from alembic.script import ScriptDirectory

from stockstream.database import migrations
from stockstream.database.migrations import MigrationFailed, migrate
from stockstream.database.migrations.__main__ import main
from stockstream.history.recording import Record
from tests.support.database import psql
from tests.support.gateway import batch, running_history

if TYPE_CHECKING:
    from pathlib import Path

OURS = """
SELECT string_agg(concat_ws(' ', relname, attname, format_type(atttypid, atttypmod)), ','
    ORDER BY relname, attname) FROM pg_class c
JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid
WHERE nspname = 'public' AND relkind IN ('r', 'p', 'i', 'I') AND attnum > 0 AND NOT attisdropped
AND relname !~ '^alembic_version'
"""
"""Tables and indexes with their columns."""


async def test_nothing_is_imported_from_the_folder_where_it_is_started(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may write there, and root may be who starts it."""
    for name in ("copy", "alembic"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    assert await migrate(empty_database_url) == [f"applied {v}" for v in migrations.versions()]


@pytest.mark.proves("H3")
async def test_each_version_can_be_taken_back(
    empty_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Down by one gives what was before, tables and indexes; all the way down leaves none.

    In this process, which need not import what it takes a dozen times.
    """
    url = empty_database_url

    async def move(target: str) -> list[str]:
        await trio.to_thread.run_sync(asyncio.run, main(url, target))
        return capsys.readouterr().out.splitlines()

    states = [""]
    for version in migrations.versions():
        assert await move(version) == [f"applied {version}"]
        states.append(psql(url, OURS))
    for version in reversed(migrations.versions()):
        assert psql(url, OURS) == states.pop()
        assert await move("-1") == [f"rolled back {version}"]
    assert psql(url, OURS) == ""
    assert await migrate(url) == [f"applied {version}" for version in migrations.versions()]
    assert await migrate(url) == []


@pytest.mark.proves("H3")
async def test_several_nodes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    """They wait for each other; each can record afterwards."""
    async with trio.open_nursery() as nursery:
        for node in "abc":
            nursery.start_soon(_start, empty_database_url, node)
    assert psql(empty_database_url, "SELECT count(*) FROM batches") == "3"


async def _start(url: str, node: str) -> None:
    async with running_history(url) as history:
        await history.until(lambda: history.status.up, 60)
        await history.ask(Record([batch(1, node=node)]))


@pytest.mark.proves("H3")
async def test_a_gateway_killed_while_it_migrates_leaves_no_half_of_a_version(
    empty_database_url: str,
) -> None:
    """What was begun is rolled back, the lock is free, and the successor does it all."""
    async with running_history(empty_database_url) as history:
        for number in range(4):
            await trio.sleep(0.15 * number)
            await history.kill_gateway()
        await history.until(lambda: history.status.up, 60)
        await history.ask(Record([batch(1)]))
        await history.until_none_is_left()
    assert (
        psql(empty_database_url, "SELECT max(version_num) FROM alembic_version")
        == (migrations.versions()[-1])
    )


@pytest.mark.proves("H3", "H19")
async def test_a_newer_schema_is_left_alone_and_told(database_url: str) -> None:
    """An older program does not take it back, nor write into what it may not use."""
    psql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    psql(database_url, "COMMENT ON TABLE alembic_version IS 'usable from 9998'")
    async with running_history(database_url) as history:
        await history.until(lambda: "9999" in history.status.reason)
        assert not history.status.up
        assert "run the newer program" in history.status.reason


async def test_a_newer_schema_is_used_by_an_older_program_that_may(database_url: str) -> None:
    """As after a rollback of the program. It leaves the schema as it is."""
    newest = migrations.versions()[-1]
    psql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    psql(database_url, f"COMMENT ON TABLE alembic_version IS 'usable from {newest}'")
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1)]))
    assert psql(database_url, "SELECT version_num FROM alembic_version").strip() == "9999"
    assert psql(database_url, "SELECT count(*) FROM ticks").strip() != "0"


def test_each_version_says_which_programs_may_use_it() -> None:
    """From 0016 on. None before it may be too new for who already is, nor go back again."""
    scripts = reversed([*ScriptDirectory(str(migrations.FOLDER)).walk_revisions()])
    said = [
        (script.revision, script.module.usable_from)
        for script in scripts
        if script.revision >= "0016"
    ]
    assert all(usable_from <= revision for revision, usable_from in said)
    assert said == [(revision, migrations.usable_from(revision)) for revision, _ in said]
    assert migrations.usable_from("0001") == "0001"
    assert [usable_from for _, usable_from in said] == sorted(one for _, one in said)


def test_a_version_that_only_adds_is_for_all_programs_that_the_one_before_is_for() -> None:
    """A release has several, and going back from it must not stop the recording."""
    before = ""
    for script in reversed([*ScriptDirectory(str(migrations.FOLDER)).walk_revisions()]):
        if script.revision > "0018":
            takes = inspect.getsource(script.module.upgrade)
            if not re.search(r"\b(DROP|RENAME|ALTER COLUMN|SET NOT NULL|TRUNCATE)\b", takes):
                assert script.module.usable_from == before, script.revision
        before = getattr(script.module, "usable_from", "")


async def test_a_version_says_in_the_database_which_programs_may_use_it(
    empty_database_url: str,
) -> None:
    said = "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    await migrate(empty_database_url, "0001")
    assert psql(empty_database_url, said).strip() == "usable from 0001"
    await migrate(empty_database_url, "0016")
    assert psql(empty_database_url, said).strip() == "usable from 0015"
    await migrate(empty_database_url, "-1")
    assert psql(empty_database_url, said).strip() == "usable from 0015"


@pytest.mark.parametrize("said", ["'usable from 9998'", "NULL"])
async def test_a_start_says_again_which_programs_may_use_it_where_it_said_fewer(
    database_url: str, said: str
) -> None:
    """Else a database that was migrated by an earlier release would keep the old word."""
    newest = migrations.versions()[-1]
    psql(database_url, f"COMMENT ON TABLE alembic_version IS {said}")
    async with running_history(database_url) as history:
        await history.until_up()
    now = psql(database_url, "SELECT obj_description('alembic_version'::regclass, 'pg_class')")
    assert now.strip() == f"usable from {migrations.usable_from(newest)}"


@pytest.mark.proves("H3")
async def test_a_version_that_is_not_there_is_told(database_url: str) -> None:
    """In one line, and nothing changes."""
    before = psql(database_url, OURS)
    with pytest.raises(MigrationFailed, match="0815"):
        await migrate(database_url, "0815")
    assert psql(database_url, OURS) == before
