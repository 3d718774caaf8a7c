"""`stockstream chaos`: break a running system on purpose, and see that it holds."""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import trio
from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stockstream.chaos.catalogue import ACTIONS, BadParameters, action_named
from stockstream.chaos.drill import Drill, Stopped, stopped_by, watched
from stockstream.chaos.experiment import BadExperiment, Experiment, parse_experiment
from stockstream.chaos.html_report import html_report
from stockstream.chaos.monkey import kill_matching, unleash
from stockstream.chaos.node import Node, Refused, Unreachable
from stockstream.chaos.quantities import parse_duration, parse_rate
from stockstream.chaos.report import SCHEMA_VERSION, ExitCode, Report
from stockstream.chaos.runner import run_experiment, targets_of
from stockstream.chaos.targets import NoTarget, Target, resolve
from stockstream.chaos.watchers import Watchers
from stockstream.environment import load
from stockstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

E = TypeVar("E", bound=Exception)

chaos = App(
    name="chaos",
    help="""Break a running server on purpose, and see that it holds.

The server must be started with CHAOS_ENABLED=true. Watching clients connect while it runs, and \
the exit code says what they saw: 0 held, 1 tool error, 2 usage, 3 deviated, 4 no steady state, \
5 not injected, 6 rollback failed, 7 refused, 130 interrupted. Results go to standard output, \
progress to standard error.

For example:

- `stockstream chaos kill market/streamer --count 5 --every 2s` while you watch the dashboard
- `stockstream chaos kill 'delivery/sessions/*' --percent 20 --seed 7`
- `stockstream chaos run examples/chaos/streamer.toml --html report.html`
- `stockstream chaos monkey --for 60s --rate 2/s` kills at random
- `stockstream chaos halt --all` ends every fault
""",
    help_format="markdown",
)


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
        url = self.url or os.environ.get("STOCKSTREAM_URL")
        token = self.token or os.environ.get("STOCKSTREAM_TOKEN")
        chaos_token = self.chaos_token or os.environ.get("STOCKSTREAM_CHAOS_TOKEN")
        if url is None or token is None:
            settings = load().settings
            url = url or f"http://127.0.0.1:{settings.port}"
            token = token or settings.admin_token.get_secret_value()
        return Node(url, token, chaos_token)


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
    clients: int = 5
    report: Path | None = None
    html: Path | None = None


@chaos.command
async def targets(*, where: Where | None = None) -> int:
    """List the live actors: path, state, generation, restarts, what would go with each."""
    where = where or Where()

    async def listing(node: Node) -> ExitCode:
        found = await node.targets()
        if where.as_json:
            _print_json({"targets": found})
            return ExitCode.HELD
        _print_targets(found)
        return ExitCode.HELD

    return await _with_node(where, listing)


@chaos.command
async def actions(*, where: Where | None = None) -> int:
    """List what can be done, with parameters and defaults."""
    if (where or Where()).as_json:
        _print_json({"actions": list(ACTIONS.values())})
        return ExitCode.HELD
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("action", "aimed at", "what it does", "parameters"):
        table.add_column(heading)
    for action in ACTIONS.values():
        shown = [f"{p.name}={p.default}" for p in action.parameters]
        table.add_row(action.name, action.scope, action.description, "  ".join(shown))
    _console().print(table)
    return ExitCode.HELD


@chaos.command
async def kill(
    pattern: str,
    /,
    *,
    count: int = 1,
    every: str = "2s",
    percent: float | None = None,
    expect_recovery: str | None = None,
    allow_escalation: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Kill an actor, or some of those that a pattern means.

    Parameters
    ----------
    pattern
        A path, or a pattern: `delivery/sessions/*`.
    count
        How often.
    every
        How far apart.
    percent
        So many of the matching ones at once, instead of one.
    expect_recovery
        Longest time until it is back and clients have fresh prices; else the fetch interval and
        250 ms for the clients.
    allow_escalation
        Kill also where it makes a supervisor give up.
    dry_run
        Show whom it would hit and what would go with them, and change nothing.
    """
    seconds = _duration(expect_recovery)
    apart = _duration(every) or 0.0
    watching, where = watching or Watching(), where or Where()
    seed = _seed(watching)

    async def show(node: Node) -> ExitCode:
        rng = random.Random(seed)
        chosen = resolve(
            await node.targets(),
            pattern,
            rng=rng,
            count=None if percent is not None else 1,
            percent=percent,
        )
        _show_dry_run(where, chosen)
        return ExitCode.HELD

    async def strike(drill: Drill) -> None:
        drill.expect_recovery = seconds
        drill.allow_escalation = allow_escalation
        async with watched(drill):
            await drill.settle()
            await kill_matching(
                drill, pattern, random.Random(seed), count=count, every=apart, percent=percent
            )

    if dry_run:
        return await _with_node(where, show)
    return await _drill(where, watching, seed, f"kill {pattern}", strike)


@chaos.command
async def do(
    action: str,
    target: str = "",
    /,
    *assignments: str,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Do one thing, whatever it is: `stockstream chaos do hang market/streamer seconds=5`.

    Parameters
    ----------
    action
        One of `stockstream chaos actions`.
    target
        The path of an actor; leave it out for the price API and the circuit breaker.
    assignments
        Parameters as name=value.
    """
    watching, where = watching or Watching(), where or Where()
    if "=" in target:
        target, assignments = "", (target, *assignments)
    try:
        parameters = action_named(action).read(dict(map(_assignment, assignments)))
    except BadParameters as error:
        return _fail(where, Stopped(ExitCode.USAGE, str(error)))

    async def strike(drill: Drill) -> None:
        async with watched(drill):
            await drill.settle()
            chosen: Target | None = None
            if target:
                chosen = resolve(await drill.node.targets(), target, rng=random.Random(0), count=1)[
                    0
                ]
            await drill.strike(action, chosen, parameters)

    return await _drill(where, watching, None, f"{action} {target}".strip(), strike)


@chaos.command
async def monkey(
    *,
    for_: Annotated[str, Parameter(name="--for")] = "60s",
    rate: str = "2/s",
    deny: tuple[str, ...] = (),
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Kill at random for a while, and watch the invariants.

    Supervisors and `web` are left alone. Nobody is killed whose supervisor has no restart left to
    give: a session dies in its place, and the report says whom it spared.

    Parameters
    ----------
    for_
        How long.
    rate
        How many kills: `2/s`, `30/m`.
    deny
        Patterns of actors to leave alone.
    """
    seconds = _duration(for_) or 60.0
    per_second = _rate(rate)
    watching, where = watching or Watching(), where or Where()
    seed = _seed(watching)

    async def strike(drill: Drill) -> None:
        async with watched(drill):
            await drill.settle()
            await unleash(drill, random.Random(seed), seconds=seconds, rate=per_second, deny=deny)

    return await _drill(where, watching, seed, f"monkey for {for_} at {rate}", strike)


@chaos.command
async def run(
    file: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    watching: Watching | None = None,
    where: Where | None = None,
) -> int:
    """Run an experiment file: steady state, method, rollback, verdict.

    Parameters
    ----------
    file
        A TOML file; examples are under examples/chaos/.
    dry_run
        Show whom it would hit and what would go with them, and change nothing.
    """
    watching, where = watching or Watching(), where or Where()
    try:
        experiment = _read(file)
    except BadExperiment as error:
        return _fail(where, Stopped(ExitCode.USAGE, str(error)))
    environment = load().settings.stockstream_env
    if environment not in experiment.guard.environments:
        reason = f"{file}: the guard allows {', '.join(experiment.guard.environments)} only"
        return _fail(where, Stopped(ExitCode.REFUSED, reason))
    seed = _seed(watching)

    async def show(node: Node) -> ExitCode:
        drill = Drill(node, Watchers(0), experiment.title, _say)
        chosen: list[Target] = []
        for step in experiment.method:
            found = await targets_of(drill, step, experiment.guard, random.Random(seed))
            chosen += [target for target in found if target is not None]
        _show_dry_run(where, chosen)
        return ExitCode.HELD

    async def strike(drill: Drill) -> None:
        await run_experiment(drill, experiment, random.Random(seed))

    if dry_run:
        return await _with_node(where, show)
    return await _drill(where, watching, seed, experiment.title, strike)


@chaos.command
def validate(file: Path, /, *, where: Where | None = None) -> int:
    """Check an experiment file, and touch nothing.

    Parameters
    ----------
    file
        A TOML file.
    """
    where = where or Where()
    try:
        experiment = _read(file)
    except BadExperiment as error:
        return _fail(where, Stopped(ExitCode.USAGE, str(error)))
    if where.as_json:
        _print_json({"valid": True, "title": experiment.title})
    else:
        sys.stdout.write(f"{file}: {experiment.title}: {len(experiment.method)} steps, valid\n")
    return ExitCode.HELD


@chaos.command(name="list")
async def list_(*, where: Where | None = None) -> int:
    """List what is on now, and what was done of late."""
    where = where or Where()

    async def listing(node: Node) -> ExitCode:
        status = await node.status()
        if where.as_json:
            _print_json({"status": status})
            return ExitCode.HELD
        running = status.experiment
        lines = [f"fault injection is {'on' if status.enabled else 'off'}"]
        if running is not None:
            lines.append(f"experiment {running.id} {running.title!r} by {running.who}")
        lines += [f"active  {f.id}  {f.action} {f.target}" for f in status.active]
        lines += [
            f"{row.id}  {row.action} {row.target}  {row.outcome}  {row.detail}".rstrip()
            for row in status.history
        ]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return ExitCode.HELD

    return await _with_node(where, listing)


@chaos.command
async def show(entry: str, /, *, where: Where | None = None) -> int:
    """Show one experiment or fault, by the id that logs, reports and the admin page give.

    Parameters
    ----------
    entry
        The id.
    """
    where = where or Where()

    async def showing(node: Node) -> ExitCode:
        status = await node.status()
        rows = [row for row in status.history if entry in {row.id, row.experiment}]
        active = [f for f in status.active if entry in {f.id, f.experiment}]
        if not rows and not active:
            raise Stopped(ExitCode.USAGE, f"nothing of late has the id {entry!r}")
        _print_json({"active": active, "history": rows})
        return ExitCode.HELD

    return await _with_node(where, showing)


@chaos.command
async def halt(
    *,
    everything: Annotated[bool, Parameter(name="--all", negative=())] = False,
    where: Where | None = None,
) -> int:
    """End every fault and any experiment, at once; doing it twice does no harm.

    Parameters
    ----------
    everything
        Needed, so that nobody ends another's experiment by a slip.
    """
    where = where or Where()
    if not everything:
        return _fail(where, Stopped(ExitCode.USAGE, "say --all: it ends what others began too"))

    async def halting(node: Node) -> ExitCode:
        ended = await node.halt()
        if where.as_json:
            _print_json({"ended": ended})
        else:
            sys.stdout.write(f"{ended} faults ended\n")
        return ExitCode.HELD

    return await _with_node(where, halting)


# What they share.


async def _drill(
    where: Where,
    watching: Watching,
    seed: int | None,
    title: str,
    strike: Callable[[Drill], Awaitable[None]],
) -> int:
    """Run a drill to its report. An interrupt rolls back before the report is written."""
    try:
        async with where.node() as node:
            drill = Drill(node, Watchers(watching.clients), title, _say, seed=seed)
            stopped = await _guarded(drill, strike)
            report = drill.report(stopped)
    except Stopped as error:  # the settings, before there was a drill
        return _fail(where, error)
    _write(watching, report)
    if where.as_json:
        _print_json(report)
    else:
        _print_report(report)
    return report.exit_code


async def _guarded(drill: Drill, strike: Callable[[Drill], Awaitable[None]]) -> Stopped | None:
    stopped: Stopped | None = None
    async with _interruptible() as scope:
        try:
            await strike(drill)
        except* Stopped as group:
            stopped = _first(group, Stopped)
        except* Refused as group:
            stopped = stopped_by(_first(group, Refused))
        except* NoTarget as group:
            stopped = Stopped(ExitCode.NOT_INJECTED, str(_first(group, NoTarget)))
        except* Unreachable as group:
            stopped = Stopped(ExitCode.TOOL_ERROR, str(_first(group, Unreachable)))
    if scope.cancelled_caught:
        return Stopped(ExitCode.INTERRUPTED, "interrupted; what was on is rolled back")
    return stopped


async def _with_node(where: Where, ask: Callable[[Node], Awaitable[ExitCode]]) -> int:
    try:
        async with where.node() as node:
            return await ask(node)
    except Stopped as error:
        return _fail(where, error)
    except Refused as error:
        return _fail(where, stopped_by(error))
    except NoTarget as error:
        return _fail(where, Stopped(ExitCode.NOT_INJECTED, str(error)))
    except Unreachable as error:
        return _fail(where, Stopped(ExitCode.TOOL_ERROR, str(error)))


@asynccontextmanager
async def _interruptible() -> AsyncIterator[trio.CancelScope]:
    """Turn SIGINT and SIGTERM into a cancellation, so that rollbacks run."""
    scope = trio.CancelScope()

    async def watch() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                _say("interrupted: rolling back")
                scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        with scope:
            yield scope
        nursery.cancel_scope.cancel()


def _first(group: BaseExceptionGroup[E], kind: type[E]) -> E:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, kind):
        raise found
    return found


def _read(file: Path) -> Experiment:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadExperiment(f"{file}: cannot be read: {error}") from error
    return parse_experiment(text, str(file))


def _seed(watching: Watching) -> int:
    return secrets.randbelow(2**32) if watching.seed is None else watching.seed


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _rate(text: str) -> float:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _assignment(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign:
        raise BadParameters(f"{text!r} is no parameter; write name=value")
    try:
        return name, float(value) if "." in value else int(value)
    except ValueError:
        return name, value


# Saying it.


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _fail(where: Where, stopped: Stopped) -> int:
    if where.as_json:
        _print_json({"exit_code": stopped.code, "error": stopped.reason})
    else:
        _say(f"stockstream chaos: {stopped.reason}")
    return stopped.code


def _print_json(value: object) -> None:
    """Write JSON with its `schema_version`, whatever it is."""
    document = msgspec.to_builtins(value)
    document = {"schema_version": SCHEMA_VERSION, **document}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def _write(watching: Watching, report: Report) -> None:
    if watching.report is not None:
        watching.report.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if watching.html is not None:
        watching.html.write_text(html_report(report))


def _print_targets(found: Sequence[Target]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("path", "state"):
        table.add_column(heading)
    for heading in ("generation", "restarts", "mailbox", "takes with it", "budget"):
        table.add_column(heading, justify="right")
    for target in found:
        radius = target.blast_radius
        also = f"{radius.actors - 1} actors, {radius.clients} clients"
        budget = "" if target.budget_left is None else str(target.budget_left)
        table.add_row(
            target.path,
            target.state,
            str(target.generation),
            str(target.restarts),
            str(target.mailbox),
            also + (" lose their connection" if radius.disconnects and radius.clients else ""),
            budget,
        )
    _console().print(table)


def _show_dry_run(where: Where, chosen: Sequence[Target]) -> None:
    if where.as_json:
        _print_json({"dry_run": True, "targets": chosen})
        return
    _say("would hit, and change nothing now:")
    _print_targets(chosen)


def _print_report(report: Report) -> None:
    console = _console()
    if report.recovery:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("target")
        for heading in ("deaths", "p50 ms", "p95 ms", "max ms"):
            table.add_column(heading, justify="right")
        for target, times in report.recovery.items():
            table.add_row(
                target,
                str(times.count),
                *(f"{value * 1000:.1f}" for value in (times.p50, times.p95, times.max)),
            )
        console.print(table)
    for verdict in report.verdicts:
        style = "green" if verdict.held else "bold red"
        word = "held  " if verdict.held else "BROKEN"
        console.print(f"[{style}]{word}[/] {escape(verdict.name)}: {escape(verdict.detail)}")
    for spared in report.skipped:
        console.print(f"spared {escape(spared)}")
    if report.error is not None:
        _say(f"stockstream chaos: {report.error}")
    seed = "" if report.seed is None else f", seed {report.seed}"
    console.print(f"{report.verdict}: {len(report.strikes)} faults{seed}")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
