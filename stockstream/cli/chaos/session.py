"""The common part of the verbs of `stockstream chaos`: their server, drills, exit codes."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import trio
from cyclopts import Parameter, validators

from stockstream.chaos.drill import Drill, Stopped, stopped_by
from stockstream.chaos.html_report import html_report
from stockstream.chaos.node import Node, Refused, Unreachable
from stockstream.chaos.report import ExitCode, Report
from stockstream.chaos.targets import NoTarget
from stockstream.chaos.watchers import Watchers
from stockstream.cli.admin_client import address
from stockstream.cli.chaos.output import print_json, print_report, say
from stockstream.database.one_number import NoNumber, ask_number
from stockstream.database.servers import Server, embedded_server
from stockstream.environment import load
from stockstream.error_groups import first_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

D = TypeVar("D")


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which server, and how to speak.

    Parameters
    ----------
    url
        Address of the server, else STOCKSTREAM_URL, else port PORT on this machine.
    token
        Its ADMIN_TOKEN, else STOCKSTREAM_TOKEN, else the one kept in DATA_DIRECTORY.
    chaos_token
        Its CHAOS_TOKEN, where it has one, else STOCKSTREAM_CHAOS_TOKEN.
    as_json
        Print JSON, also when it fails.
    """

    url: str | None = None
    token: str | None = None
    chaos_token: str | None = None
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False

    def node(self) -> Node:
        """The node to talk to."""
        url, token = address(self.url, self.token)
        return Node(url, token, self.chaos_token or os.environ.get("STOCKSTREAM_CHAOS_TOKEN"))


@Parameter(name="*")
@dataclass(frozen=True)
class Watching:
    """How a drill is watched, repeated and reported.

    Parameters
    ----------
    seed
        Repeats what a run drew at random.
    clients
        Watching clients to bring along; 0 for none.
    report
        Write the report as JSON here.
    html
        Write the report as a page, with the time line, here.
    """

    seed: int | None = None
    clients: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 5
    report: Path | None = None
    html: Path | None = None


async def run_drill(
    where: Where,
    watching: Watching,
    seed: int | None,
    title: str,
    strike: Callable[[Drill], Awaitable[None]],
) -> int:
    """Run a drill to its report. An interrupt rolls back before the report is written."""
    for file in (watching.report, watching.html):
        if file is not None and (file.is_dir() or not os.access(file.parent, os.W_OK)):
            return fail(where, Stopped(ExitCode.USAGE, f"no report can be written to {file}"))
    try:
        async with where.node() as node:
            drill = Drill(node, Watchers(watching.clients), title, say, seed=seed)
            stopped = await guarded(drill, partial(_begin_with, strike))
            report = drill.report(stopped)
    except Stopped as error:  # the settings, before there was a drill
        return fail(where, error)
    write_report(watching, report)
    if where.as_json:
        print_json(report)
    else:
        print_report(report)
    return report.exit_code


async def _begin_with(strike: Callable[[Drill], Awaitable[None]], drill: Drill) -> None:
    # Asked first: without a server, clients would wait for prices until they give up.
    status = await drill.node.status()
    drill.node_name, drill.version = status.node, status.version
    await strike(drill)


async def guarded(drill: D, strike: Callable[[D], Awaitable[None]]) -> Stopped | None:
    """Do it; what stopped it, an interrupt included."""
    stopped: Stopped | None = None
    async with _interruptible() as scope:
        try:
            await strike(drill)
        except* Stopped as group:
            stopped = first_of(group)
        except* Refused as group:
            stopped = stopped_by(first_of(group))
        except* NoTarget as group:
            stopped = Stopped(ExitCode.NOT_INJECTED, str(first_of(group)))
        except* Unreachable as group:
            stopped = Stopped(ExitCode.TOOL_ERROR, str(first_of(group)))
    if scope.cancelled_caught:
        return Stopped(ExitCode.INTERRUPTED, "interrupted; what was on is rolled back")
    return stopped


async def with_node(where: Where, ask: Callable[[Node], Awaitable[ExitCode]]) -> int:
    """Ask the node something; prints a failure, and returns the exit code."""
    try:
        async with where.node() as node:
            return await ask(node)
    except Stopped as error:
        return fail(where, error)
    except Refused as error:
        return fail(where, stopped_by(error))
    except NoTarget as error:
        return fail(where, Stopped(ExitCode.NOT_INJECTED, str(error)))
    except Unreachable as error:
        return fail(where, Stopped(ExitCode.TOOL_ERROR, str(error)))


async def ask_database(sql: str, seconds: float) -> float:
    """Ask the database that the settings here name, for a probe.

    Raises:
        Unreachable: it does not answer one number.
    """
    settings = load().settings
    named = settings.database_url
    if named is None:
        server = embedded_server(settings.data_directory)
    else:
        server = Server("DATABASE_URL", named.get_secret_value())
    try:
        return await ask_number(server, sql, seconds)
    except NoNumber as error:
        raise Unreachable(f"the database: {error}") from error


@asynccontextmanager
async def _interruptible() -> AsyncIterator[trio.CancelScope]:
    """Turn SIGINT and SIGTERM into a cancellation, so that rollbacks run."""
    scope = trio.CancelScope()

    async def watch() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                say("interrupted: rolling back")
                scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        with scope:
            yield scope
        nursery.cancel_scope.cancel()


def fail(where: Where, stopped: Stopped) -> int:
    """Print why it ended; returns the exit code."""
    if where.as_json:
        print_json({"exit_code": stopped.code, "error": stopped.reason})
    else:
        say(f"stockstream chaos: {stopped.reason}")
    return stopped.code


def write_report(watching: Watching, report: Report) -> None:
    """Write it to the files that were asked for."""
    if watching.report is not None:
        watching.report.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if watching.html is not None:
        watching.html.write_text(html_report(report))
