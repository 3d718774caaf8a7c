"""Runs PostgreSQL's own programs for backups: they end with us, and say why they failed."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import IO, TYPE_CHECKING

import trio

from stockstream.child_process import ChildProcess, tied_to_us
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.embedded.programs import EmbeddedFailed, program

if TYPE_CHECKING:
    from collections.abc import Mapping

KILLED_SECONDS = 5.0
"""A killed program that is still there waits for a disk."""


async def run_tool(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end; it is killed when this is cancelled.

    Raises:
        BackupFailed: it failed; the text is its own.
    """
    with tempfile.TemporaryFile() as output:
        process = start_tool(name, *arguments, output=output, environment=environment)
        try:
            await process.wait()
        finally:
            process.send_signal(signal.SIGKILL)
            with trio.move_on_after(KILLED_SECONDS, shield=True):
                await process.wait()
            process.close()
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.status != 0:
        raise BackupFailed(f"{name}: {told(said) or f'it ended with {process.status}'}")


def start_tool(
    name: str,
    *arguments: str,
    output: IO[bytes],
    environment: Mapping[str, str] | None = None,
) -> ChildProcess:
    """Start a program.

    Raises:
        BackupFailed: it is not there.
    """
    try:
        command = tied_to_us([program(name), *arguments])
    except EmbeddedFailed as error:
        raise BackupFailed(f"{name} comes with the embedded server, and {error}") from error
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return ChildProcess(
        command,
        output,
        None,
        {**inherited, "LC_ALL": "C", **(environment or {})},
        (),
    )


def told(said: str) -> str:
    """The first error in a program's output, with its details, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line or "FATAL: " in line]
    details = [line for line in lines if "detail: " in line or line.startswith("HINT:")]
    if not errors:
        return " ".join(lines[-1:])
    first = errors[0].partition("error: ")[2] or errors[0]
    return "; ".join([first, *(line.partition("detail: ")[2] or line for line in details[:1])])
