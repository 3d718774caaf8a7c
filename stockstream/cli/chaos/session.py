"""The common part of the verbs of `stockstream chaos`: their server, drills, exit codes."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
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
from stockstream.chaos.report import ExitCode, Report, Verdict
from stockstream.chaos.several import report_of
from stockstream.chaos.targets import NoTarget
from stockstream.chaos.watchers import Watchers
from stockstream.cli.admin_client import address, token_of
from stockstream.cli.chaos.output import print_json, print_report, say
from stockstream.database.one_number import NoNumber, ask_number
from stockstream.database.servers import Server, embedded_server
from stockstream.environment import load
from stockstream.error_groups import first_of
from stockstream.nodes.parent_file import running_parent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from stockstream.nodes.parent_file import Parent

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
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
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
        return Node(url, token, self.chaos_token or token_of("STOCKSTREAM_CHAOS_TOKEN"))


@Parameter(name="*")
@dataclass(frozen=True)
class WhereAll:
    """Which server, or which nodes of one cluster, and how to speak.

    Parameters
    ----------
    url
        Address of the server, else STOCKSTREAM_URL, else port PORT on this machine. Several times
        for several nodes of a cluster: the own address of each, as `cluster status` shows it.
    all_nodes
        All nodes of `stockstream cluster up` or `serve --nodes` in this directory.
    token
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
    chaos_token
        Its CHAOS_TOKEN, where it has one, else STOCKSTREAM_CHAOS_TOKEN.
    as_json
        Print JSON, also when it fails.
    """

    url: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    all_nodes: Annotated[bool, Parameter(negative=())] = False
    token: str | None = None
    chaos_token: str | None = None
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False

    def each(self) -> list[Where]:
        """The servers, one by one.

        Raises:
            Stopped: both were said, or no nodes run here.
        """
        urls = [url.rstrip("/") for url in self.url]
        if self.all_nodes:
            if urls:
                raise Stopped(ExitCode.USAGE, "say --url or --all-nodes, not both")
            urls = [node.url for node in parent_here().nodes]
        chosen: list[str | None] = [*dict.fromkeys(urls)] or [None]
        return [Where(url, self.token, self.chaos_token, self.as_json) for url in chosen]


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

    async def strike_one(drills: Sequence[Drill]) -> list[Verdict]:
        await strike(drills[0])
        return []

    return await run_drills([where], watching, seed, title, strike_one)


async def run_drills(
    where: Sequence[Where],
    watching: Watching,
    seed: int | None,
    title: str,
    strike: Callable[[Sequence[Drill]], Awaitable[list[Verdict]]],
) -> int:
    """The same with a drill for each of some nodes, and one report of all.

    `strike` answers what it judges of all of them together. Each has `watching.clients` clients.
    """
    first = where[0]
    for file in (watching.report, watching.html):
        if file is not None and (file.is_dir() or not os.access(file.parent, os.W_OK)):
            return fail(first, Stopped(ExitCode.USAGE, f"no report can be written to {file}"))
    verdicts: list[Verdict] = []

    async def begin(drills: Sequence[Drill]) -> None:
        for drill in drills:
            # Asked first: without a server, clients would wait for prices until they give up.
            status = await drill.node.status()
            drill.node_name, drill.version = status.node, status.version
            if len(drills) > 1:
                drill.say = partial(_say_of, status.node)
        verdicts.extend(await strike(drills))

    try:
        async with AsyncExitStack() as stack:
            nodes = [await stack.enter_async_context(one.node()) for one in where]
            clients = watching.clients
            drills = [Drill(node, Watchers(clients), title, say, seed=seed) for node in nodes]
            stopped = await guarded(drills, begin)
            report = report_of(drills, verdicts, stopped)
    except Stopped as error:  # the settings, before there was a drill
        return fail(first, error)
    write_report(watching, report)
    if first.as_json:
        print_json(report)
    else:
        print_report(report)
    return report.exit_code


def _say_of(name: str, text: str) -> None:
    say(f"{name}: {text}")


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


def parent_here() -> Parent:
    """The parent of the nodes that run from this directory.

    Raises:
        Stopped: there is none.
    """
    directory = load().settings.data_directory
    found = running_parent(directory)
    if found is None:
        raise Stopped(
            ExitCode.TOOL_ERROR,
            "no nodes run from this directory; start some by `stockstream cluster up`, with "
            "CHAOS_ENABLED=true",
        )
    return found


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
