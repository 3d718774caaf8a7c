"""One number from a database, by psql: for a command that only reads."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import trio

from stockstream.database.embedded.programs import EmbeddedFailed, program
from stockstream.database.query import NotYet
from stockstream.database.url import InvalidDatabaseUrl, read_database_url

if TYPE_CHECKING:
    from stockstream.database.servers import Server

CONNECT_SECONDS = 5


class NoNumber(Exception):
    """The database did not answer with one number; the text says what it did."""


async def ask_number(server: Server, sql: str, seconds: float) -> float:
    """The one value that a query answers, within so many seconds, in a transaction that only reads.

    Raises:
        NoNumber: it answers with something else, or not in time.
    """
    try:
        address, environment = read_database_url(server.address()).for_programs()
        psql = str(program("psql"))
    except (InvalidDatabaseUrl, NotYet, EmbeddedFailed) as error:
        raise NoNumber(str(error)) from error
    steps = (
        "BEGIN READ ONLY",
        # Within a transaction: a pooler that lends connections takes no setting at its start.
        f"SET LOCAL statement_timeout = {round(seconds * 1000)}",
        sql,
        "ROLLBACK",
    )
    command = [psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", address]
    for step in steps:
        command += ["-c", step]
    with trio.move_on_after(seconds + CONNECT_SECONDS) as limit:
        done = await trio.run_process(
            command,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), **environment},
        )
    if limit.cancelled_caught:
        raise NoNumber(f"no answer within {seconds:g} s")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoNumber(said[0] if said else f"psql ended with {done.returncode}")
    answer = done.stdout.decode(errors="replace").strip()
    try:
        return float(answer)
    except ValueError as error:
        shown = answer.replace("\n", " | ")[:80]
        raise NoNumber(f"the query answered {shown!r}, and not one number") from error
