"""The verbs that read a node, or end active faults: they break nothing."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from stockstream.chaos.catalogue import ACTIONS
from stockstream.chaos.drill import Stopped
from stockstream.chaos.experiment import BadExperiment
from stockstream.chaos.node import Node
from stockstream.chaos.report import ExitCode
from stockstream.cli.chaos.output import (
    print_actions,
    print_json,
    print_status,
    print_targets,
)
from stockstream.cli.chaos.session import Where, fail, with_node
from stockstream.cli.chaos.values import experiment_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def targets(*, where: Where | None = None) -> int:
    """List the live actors: path, state, generation, restarts, what would go with each."""
    return await _listed(where or Where(), "targets", Node.targets, print_targets)


async def actions(*, where: Where | None = None) -> int:
    """List what can be done, with parameters and defaults."""
    if (where or Where()).as_json:
        print_json({"actions": list(ACTIONS.values())})
        return ExitCode.HELD
    print_actions()
    return ExitCode.HELD


def validate(file: Path, /, *, where: Where | None = None) -> int:
    """Check an experiment file, and touch nothing.

    Parameters
    ----------
    file
        A TOML file.
    """
    where = where or Where()
    try:
        experiment = experiment_in(file)
    except BadExperiment as error:
        return fail(where, Stopped(ExitCode.USAGE, str(error)))
    if where.as_json:
        print_json({"valid": True, "title": experiment.title})
    else:
        sys.stdout.write(f"{file}: {experiment.title}: {len(experiment.method)} steps, valid\n")
    return ExitCode.HELD


async def list_(*, where: Where | None = None) -> int:
    """List what is on now, and what was done recently."""
    return await _listed(where or Where(), "status", Node.status, print_status)


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
        print_json({"active": active, "history": rows})
        return ExitCode.HELD

    return await with_node(where, showing)


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
        return fail(where, Stopped(ExitCode.USAGE, "say --all: it ends what others began too"))

    async def halting(node: Node) -> ExitCode:
        ended = await node.halt()
        if where.as_json:
            print_json({"ended": ended})
        else:
            sys.stdout.write(f"{ended} faults ended\n")
        return ExitCode.HELD

    return await with_node(where, halting)


async def _listed(
    where: Where, name: str, read: Callable[[Node], Awaitable[T]], show_it: Callable[[T], None]
) -> int:
    """Ask a node for something and print it, as JSON under that name or for people."""

    async def listing(node: Node) -> ExitCode:
        found = await read(node)
        if where.as_json:
            print_json({name: found})
        else:
            show_it(found)
        return ExitCode.HELD

    return await with_node(where, listing)
