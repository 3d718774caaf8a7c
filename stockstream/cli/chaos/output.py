"""The output of `stockstream chaos`: results on standard output, progress on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.markup import escape
from rich.table import Table

from stockstream.chaos.catalogue import ACTIONS
from stockstream.chaos.report import SCHEMA_VERSION, Report
from stockstream.cli.printing import print_document, table_console
from stockstream.program import as_typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.chaos.node import Status
    from stockstream.chaos.targets import Target


def say(text: str) -> None:
    """Tell people how it goes, with our commands as they have to be typed here."""
    sys.stderr.write(f"{as_typed(text)}\n")
    sys.stderr.flush()


def print_json(value: object) -> None:
    """Write any value as JSON with its `schema_version`."""
    document = msgspec.to_builtins(value)
    document = {"schema_version": SCHEMA_VERSION, **document}
    print_document(document)


def print_targets(found: Sequence[Target]) -> None:
    """The live actors, and what would go with each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    longest = max((len(target.path) for target in found), default=0)
    table.add_column("path", overflow="fold", min_width=longest)
    table.add_column("state")
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
    table_console(soft_wrap=True).print(table)


def print_report(report: Report) -> None:
    """Recovery times, the invariants' verdicts, and the verdict of all."""
    console = table_console(soft_wrap=True)
    if report.error is not None and not report.strikes:
        say(f"stockstream chaos: {report.error}")  # verdicts mean nothing if nothing was done
        return
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
    for skipped in report.skipped:
        console.print(f"skipped {escape(skipped)}")
    if report.error is not None:
        say(f"stockstream chaos: {report.error}")
    seed = "" if report.seed is None else f", seed {report.seed}"
    where = f", node {report.node} ({report.version})" if report.node else ""
    console.print(f"{report.verdict}: {len(report.strikes)} faults{seed}{where}", markup=False)


def print_dry_run(chosen: Sequence[Target]) -> None:
    """The targets that a run would hit."""
    say("would hit, and change nothing now:")
    print_targets(chosen)


def print_actions() -> None:
    """What can be done, with parameters and defaults."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("action", "aimed at", "what it does", "parameters"):
        table.add_column(heading)
    for action in ACTIONS.values():
        shown = [f"{p.name}={p.default}" for p in action.parameters]
        table.add_row(action.name, action.scope, action.description, "  ".join(shown))
    table_console(soft_wrap=True).print(table)


def print_status(status: Status) -> None:
    """The active faults, and the recent actions."""
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
