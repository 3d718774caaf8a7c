"""Backups by PostgreSQL's own programs, which come with the embedded server."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import trio

from stockstream.history import migrations
from stockstream.history.embedded import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LOOK_SECONDS = 0.2
CHUNK = 256 * 1024
_NEWER_SETTING = b"SET transaction_timeout = 0;\n"
"""Stands at the head of what pg_restore writes, and servers before 17 do not know it."""

_BEGIN = b"""BEGIN;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT format('public.%I', relname) FROM pg_class c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    LOOP
        EXECUTE 'DROP TABLE ' || name || ' CASCADE';
    END LOOP;
END $$;
"""
"""Tables that a newer schema has made are in no backup of an older one: all go."""
_COMMIT = """
DO $$
DECLARE
    version text := (SELECT max(version_num) FROM public.alembic_version);
BEGIN
    IF version NOT IN ({known}) THEN
        RAISE EXCEPTION 'its schema is at %, and this program knows {newest} at most', version;
    END IF;
END $$;
COMMIT;
"""


class DumpFailed(Exception):
    """The program failed; the text is what it said."""


def split_password(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, which everybody on the machine could read among the
    arguments, and the environment that carries it instead.
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url, {}
    user, _, place = parts.netloc.rpartition("@")
    netloc = f"{user.split(':', 1)[0]}@{place}"
    return urlunsplit(parts._replace(netloc=netloc)), {"PGPASSWORD": unquote(parts.password)}


async def back_up(url: str, target: Path, progress: Callable[[int], None]) -> int:
    """Write all of the database to a file, which is there whole or not at all; its size in bytes.

    `progress` is told how much was written.

    Raises:
        DumpFailed: pg_dump says so.
        OSError: the file cannot be put there.
    """
    address, environment = split_password(url)
    draft = target.with_name(f"{target.name}.part")
    try:
        # Opened here, so that nobody else may read it, and a bad place is an error of the system's.
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            command = ["pg_dump", "--format=custom", "--dbname", address]
            await _watched(command, environment, file, lambda: progress(_size_of(file)))
            size = _size_of(file)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return size


async def restore(url: str, source: Path, progress: Callable[[int], None]) -> None:
    """Replace what is in the database by a backup, all of it or nothing.

    One transaction of psql's, which is fed the statements of pg_restore and told to commit when
    that has read the file to its end without an error. `progress` is told how much of it was read.

    Raises:
        DumpFailed: the file is no backup of ours, or the database refuses it.
        OSError: the file cannot be read.
    """
    address, environment = split_password(url)
    contents = await _output_of("pg_restore", "--list", source)
    if b"TABLE public alembic_version " not in contents:
        raise DumpFailed(f"{source} is no backup of this program's")
    known = migrations.versions()
    commit = _COMMIT.format(known=", ".join(f"'{v}'" for v in known), newest=known[-1])
    with source.open("rb") as file:
        reader = await _started(
            ["pg_restore", "--clean", "--if-exists", "--no-owner", "--file=-"], file
        )
        writer = await _started(
            ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", address], subprocess.PIPE, environment
        )
        said: dict[str, bytes] = {}
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(_listen, reader, "reader", said)
                nursery.start_soon(_listen, writer, "writer", said)
                nursery.start_soon(_drain, writer.stdout)
                # The child reads through our descriptor: its place in the file is ours to see.
                place = partial(os.lseek, file.fileno(), 0, os.SEEK_CUR)
                await _pump(reader, writer, lambda: progress(place()), commit.encode())
                await reader.wait()
                await writer.wait()
            finally:
                # Ended before its COMMIT, psql leaves everything as it was.
                for process in (writer, reader):
                    if process.poll() is None:
                        process.kill()
    # A reader that was killed was so because of the writer; else its own error comes first.
    if reader.returncode is not None and reader.returncode > 0:
        raise DumpFailed(_told(said["reader"], "pg_restore", reader.returncode))
    if (reader.returncode, writer.returncode) != (0, 0):
        raise DumpFailed(_told(said["writer"], "psql", writer.returncode))


async def _pump(
    reader: trio.Process, writer: trio.Process, progress: Callable[[], None], commit: bytes
) -> None:
    """Carry statements from one program to the other, and the end of the transaction after them."""
    assert reader.stdout is not None  # noqa: S101 - for the type checker
    assert writer.stdin is not None  # noqa: S101 - for the type checker
    try:
        await writer.stdin.send_all(_BEGIN)
        head = True
        async for chunk in reader.stdout:
            await writer.stdin.send_all(chunk.replace(_NEWER_SETTING, b"", 1) if head else chunk)
            head = False
            progress()
        if await reader.wait() == 0:
            await writer.stdin.send_all(commit)
        await writer.stdin.aclose()
    except trio.BrokenResourceError:
        # psql has stopped at an error, which it tells; the rest is not wanted.
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


async def _watched(
    command: Sequence[str],
    environment: dict[str, str],
    output: IO[bytes],
    look: Callable[[], None],
) -> None:
    name, *arguments = command

    async def keep_looking() -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            look()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_looking)
        done = await trio.run_process(
            [str(program(name)), *arguments],
            env={**os.environ, **environment},
            stdout=output,
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        nursery.cancel_scope.cancel()
    if done.returncode != 0:
        raise DumpFailed(_told(done.stderr, name, done.returncode))


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
    """The first error that a program told, in one line."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line.lower()]
    line = (errors or lines or [f"{name} ended with {status}"])[0]
    return line.partition("ERROR:")[2].strip() or line


def _size_of(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size
