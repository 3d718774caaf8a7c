"""Backups by PostgreSQL's own programs, which come with the embedded server.

Only our tables are dumped and restored: others may keep theirs in the same database.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import partial
from typing import IO, TYPE_CHECKING

import trio

from stockstream.database import migrations
from stockstream.database.embedded.programs import program
from stockstream.database.own_tables import OWN_TABLES, is_own
from stockstream.database.url import InvalidDatabaseUrl, read_database_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CHUNK = 256 * 1024
_writer = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""
_NEWER_SETTING = b"SET transaction_timeout = 0;\n"
"""A setting at the head of pg_restore's output that servers before 17 do not know."""

_ENTRY = re.compile(
    r"\d+; \d+ \d+ (?P<kind>TABLE ATTACH|TABLE DATA|TABLE|SEQUENCE OWNED BY|SEQUENCE SET|SEQUENCE|"
    r"DEFAULT|FK CONSTRAINT|CONSTRAINT|INDEX ATTACH|INDEX) (?P<rest>.+)"
)
"""The kinds of objects that our tables consist of, as pg_restore lists them; others are left out.
The rest of a line is the schema, the name and the owner, and each of them may hold blanks."""
_HOME = re.compile(r"(?P<schema>.+) alembic_version (?P<owner>.+)")

# Dropped without CASCADE: an object of others that depends on our tables, such as a view, stops it
# and is named. We name objects that a drop would remove silently; rights are granted again.
_BEGIN = """BEGIN;
CREATE TEMP TABLE ours ON COMMIT DROP AS
    SELECT oid, relname, relowner, relacl FROM pg_class
    WHERE relname IN ({own}) AND relkind IN ('r', 'p') AND relnamespace =
        (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('alembic_version'));
CREATE TEMP TABLE rights ON COMMIT DROP AS
    SELECT relname, NULL::name AS column_name, given.* FROM ours, aclexplode(relacl) given
    WHERE grantee <> relowner
    UNION ALL SELECT relname, attname, given.* FROM ours
    JOIN pg_attribute ON attrelid = oid, aclexplode(attacl) given;
DO $$
DECLARE
    home regnamespace;
    version text;
    doomed text;
    foreign_to_us text;
BEGIN
    SELECT relnamespace INTO home FROM pg_class WHERE oid = to_regclass('alembic_version');
    IF home IS NULL THEN
        RETURN;
    END IF;
    version := (SELECT max(version_num) FROM alembic_version);
    IF version NOT IN ({known}) THEN
        RAISE EXCEPTION 'the database''s schema is at %, and this program knows {newest} at most: '
            'what else is to be replaced the newer program knows', version;
    END IF;
    WITH parts AS (SELECT tree.relid AS part FROM ours, pg_partition_tree(oid) tree
        UNION SELECT oid FROM ours)
    SELECT string_agg(what, ', ' ORDER BY what) INTO foreign_to_us FROM (
        SELECT format('trigger %I on %s', tgname, tgrelid::regclass) FROM pg_trigger
        JOIN parts ON tgrelid = part WHERE NOT tgisinternal AND tgparentid = 0
        UNION ALL SELECT format('rule %I on %s', rulename, ev_class::regclass) FROM pg_rewrite
        JOIN parts ON ev_class = part
        UNION ALL SELECT format('policy %I on %s', polname, polrelid::regclass) FROM pg_policy
        JOIN parts ON polrelid = part
        UNION ALL SELECT format('publication %I of %s', pubname, prrelid::regclass)
        FROM pg_publication_rel JOIN parts ON prrelid = part
        JOIN pg_publication p ON p.oid = prpubid) found (what);
    IF foreign_to_us IS NOT NULL THEN
        RAISE EXCEPTION 'others have made of our tables what would be gone: %', foreign_to_us;
    END IF;
    SELECT string_agg(oid::regclass::text, ', ') INTO doomed FROM ours;
    EXECUTE 'DROP TABLE ' || doomed;
END $$;
"""
# The settings in pg_restore's output would stay on a connection that a pooler lends.
_COMMIT = """
RESET ALL;
DO $$
DECLARE
    version text := (SELECT max(version_num) FROM {schema}.alembic_version);
    was record;
BEGIN
    IF version NOT IN ({known}) THEN
        RAISE EXCEPTION 'its schema is at %, and this program knows {newest} at most', version;
    END IF;
    IF to_regclass('alembic_version') IS DISTINCT FROM '{schema}.alembic_version'::regclass THEN
        RAISE EXCEPTION 'its tables stand in schema {schema}, and this user looks for them in %: '
            'change its search_path', current_schema();
    END IF;
    FOR was IN SELECT * FROM pg_temp.rights WHERE to_regclass(relname) IS NOT NULL LOOP
        EXECUTE format('GRANT %s %s ON %I TO %s %s', was.privilege_type,
            '(' || quote_ident(was.column_name) || ')', was.relname,
            CASE WHEN was.grantee = 0 THEN 'PUBLIC' ELSE was.grantee::regrole::text END,
            CASE WHEN was.is_grantable THEN 'WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END $$;
COMMIT;
"""


class DumpFailed(Exception):
    """The program failed; the text is its message."""


async def back_up(url: str, schema: str, file: IO[bytes], progress: Callable[[int], None]) -> int:
    """Write our tables, which stand in `schema`, to a file; how many bytes.

    `progress` is told how much was written.

    Raises:
        DumpFailed: pg_dump says so.
        OSError: the file cannot be written.
    """
    address, environment = _reached(url)
    name = schema.replace('"', '""')
    tables = [f'--table-and-children="{name}"."{table}"' for table in OWN_TABLES]
    command = ["pg_dump", "--format=custom", "--strict-names", *tables, "--dbname", address]
    said: dict[str, bytes] = {}
    size = 0
    process = await _started(command, subprocess.DEVNULL, environment)
    assert process.stdout is not None  # noqa: S101 - for the type checker
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, process, "pg_dump", said)
            async for chunk in process.stdout:
                # In a thread: the reader of a pipe may be slow.
                await trio.to_thread.run_sync(
                    file.write, chunk, abandon_on_cancel=True, limiter=_writer
                )
                size += len(chunk)
                progress(size)
            await process.wait()
    except BaseExceptionGroup as group:
        raise _only(group) from None
    finally:
        if process.poll() is None:
            process.kill()
    if process.returncode != 0:
        raise DumpFailed(_told(said["pg_dump"], "pg_dump", process.returncode))
    return size


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    only: BaseException = group
    while isinstance(only, BaseExceptionGroup) and len(only.exceptions) == 1:
        only = only.exceptions[0]
    return only


async def restore(url: str, source: Path, progress: Callable[[int], None]) -> None:
    """Replace our tables by those of a backup, all of them or nothing.

    psql runs the statements of pg_restore in one transaction. It is told to commit when pg_restore
    has read the file to its end without an error. `progress` is told how much of it was read.
    The rights of other roles to read our tables are kept.

    Raises:
        DumpFailed: the file is no backup of ours, or the database refuses it.
        OSError: the file cannot be read.
    """
    address, environment = _reached(url)
    schema, entries = _entries(await _output_of("pg_restore", "--list", source), source)
    versions = migrations.versions()
    words = {
        "known": _listed(versions),
        "newest": versions[-1],
        "own": _listed(OWN_TABLES),
        "schema": schema,
    }
    begin, commit = (text.format(**words).encode() for text in (_BEGIN, _COMMIT))
    with source.open("rb") as file, tempfile.NamedTemporaryFile("w", encoding="utf-8") as wanted:
        wanted.write("\n".join(entries))
        wanted.flush()
        options = ["--no-owner", "--no-privileges", f"--use-list={wanted.name}", "--file=-"]
        reader = await _started(["pg_restore", *options], file)
        writer = await _started(
            ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", address], subprocess.PIPE, environment
        )
        said: dict[str, bytes] = {}
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(_listen, reader, "reader", said)
                nursery.start_soon(_listen, writer, "writer", said)
                nursery.start_soon(_drain, writer.stdout)
                # The child reads through our descriptor, so we see its position in the file.
                place = partial(os.lseek, file.fileno(), 0, os.SEEK_CUR)
                await _pump(reader, writer, lambda: progress(place()), begin, commit)
                await reader.wait()
                await writer.wait()
            finally:
                # Ended before its COMMIT, psql leaves everything as it was.
                for process in (writer, reader):
                    if process.poll() is None:
                        process.kill()
    # A reader is killed only because of the writer; otherwise its own error comes first.
    if reader.returncode is not None and reader.returncode > 0:
        raise DumpFailed(_told(said["reader"], "pg_restore", reader.returncode))
    if (reader.returncode, writer.returncode) != (0, 0):
        raise DumpFailed(_told(said["writer"], "psql", writer.returncode))


def _reached(url: str) -> tuple[str, dict[str, str]]:
    try:
        return read_database_url(url).for_programs()
    except InvalidDatabaseUrl as error:
        raise DumpFailed(str(error)) from error


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _entries(contents: bytes, source: Path) -> tuple[str, list[str]]:
    """The schema of a backup's tables, as SQL names it, and the entries that are restored.

    Raises:
        DumpFailed: it is no backup of ours, or of others' tables too.
    """
    found = [_ENTRY.fullmatch(line) for line in contents.decode(errors="replace").splitlines()]
    entries = [entry for entry in found if entry is not None]
    tables = [entry["rest"] for entry in entries if entry["kind"] == "TABLE"]
    homes = [home for home in map(_HOME.fullmatch, tables) if home is not None]
    if len(homes) != 1:
        raise DumpFailed(f"{source} is no backup of this program's")
    schema, owner = homes[0].groups()
    foreign = [
        ".".join(table.split()[:2])
        for table in tables
        if not (table.startswith(f"{schema} ") and is_own(_table(table, schema, owner)))
    ]
    if foreign:
        raise DumpFailed(
            f"{source} holds tables that are not this program's: {', '.join(foreign)}; "
            "pg_restore restores such a file"
        )
    quoted = '"' + schema.replace('"', '""') + '"'
    return quoted if not schema.isidentifier() or schema != schema.lower() else schema, [
        entry[0] for entry in entries
    ]


def _table(listed: str, schema: str, owner: str) -> str:
    """The name of a table of `schema`; another's owner than ours is taken for one word."""
    name = listed.removeprefix(f"{schema} ")
    return name.removesuffix(f" {owner}") if name.endswith(f" {owner}") else name.rpartition(" ")[0]


async def _pump(
    reader: trio.Process,
    writer: trio.Process,
    progress: Callable[[], None],
    begin: bytes,
    commit: bytes,
) -> None:
    """Copy statements from one program to the other, and the end of the transaction after them."""
    assert reader.stdout is not None  # noqa: S101 - for the type checker
    assert writer.stdin is not None  # noqa: S101 - for the type checker
    try:
        await writer.stdin.send_all(begin)
        head = True
        async for chunk in reader.stdout:
            await writer.stdin.send_all(chunk.replace(_NEWER_SETTING, b"", 1) if head else chunk)
            head = False
            progress()
        if await reader.wait() == 0:
            await writer.stdin.send_all(commit)
        await writer.stdin.aclose()
    except trio.BrokenResourceError:
        # psql has stopped at an error, which it reports; the rest is not needed.
        reader.kill()


async def _started(
    command: Sequence[str], stdin: IO[bytes] | int, environment: dict[str, str] | None = None
) -> trio.Process:
    name, *arguments = command
    return await trio.lowlevel.open_process(
        [str(program(name)), *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


async def _listen(process: trio.Process, name: str, said: dict[str, bytes]) -> None:
    said[name] = b""
    assert process.stderr is not None  # noqa: S101 - for the type checker
    async for chunk in process.stderr:
        said[name] = (said[name] + chunk)[-CHUNK:]


async def _drain(stream: trio.abc.ReceiveStream | None) -> None:
    assert stream is not None  # noqa: S101 - for the type checker
    async for _ in stream:
        pass


async def _output_of(name: str, *arguments: str | Path) -> bytes:
    done = await trio.run_process(
        [str(program(name)), *map(str, arguments)],
        capture_stdout=True,
        capture_stderr=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise DumpFailed(_told(done.stderr, name, done.returncode))
    return done.stdout


def _told(said: bytes, name: str, status: int | None) -> str:
    """The first error in a program's output, with its details, in one line."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [n for n, line in enumerate(lines) if "error: " in line.lower()]
    if not errors:
        return (lines or [f"{name} ended with {status}"])[0]
    first = lines[errors[0]]
    told = [first.partition("ERROR:")[2].strip() or first]
    for line in lines[errors[0] + 1 :]:
        if line.startswith("DETAIL:"):
            told.append(line.removeprefix("DETAIL:").strip())
        elif len(told) == 1 or line.startswith(("HINT:", "CONTEXT:", "psql:")):
            break
        else:
            told.append(line)
    return "; ".join(told)
