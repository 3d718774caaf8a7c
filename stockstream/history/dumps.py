"""Backups by PostgreSQL's own programs, which come with the embedded server."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import trio

from stockstream.history.embedded import program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_SECONDS = 0.2


class DumpFailed(Exception):
    """The program failed; the text is what it said last."""


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

    Raises:
        DumpFailed: pg_dump says so.
    """
    draft = target.with_name(f"{target.name}.part")
    try:
        await _run(url, ["pg_dump", "--format=custom", f"--file={draft}"], draft, progress)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return _size_of(target)


async def restore(url: str, source: Path, progress: Callable[[int], None]) -> None:
    """Replace what is in the database by what a backup holds, all of it or nothing.

    Raises:
        DumpFailed: pg_restore says so.
    """
    options = ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error"]
    await _run(url, ["pg_restore", *options, str(source)], None, progress)


async def _run(
    url: str, command: list[str], growing: Path | None, progress: Callable[[int], None]
) -> None:
    address, environment = split_password(url)
    name, *arguments = command

    async def look() -> None:
        while growing is not None:
            await trio.sleep(LOOK_SECONDS)
            progress(_size_of(growing))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        done = await trio.run_process(
            [str(program(name)), "--dbname", address, *arguments],
            env={**os.environ, **environment},
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        nursery.cancel_scope.cancel()
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DumpFailed((said or [f"{name} ended with {done.returncode}"])[-1])


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
