"""`stockstream jobs`: what a running server does on a schedule, and how it went."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import msgspec
from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from stockstream.cli.printing import print_document, table_console
from stockstream.cli.quantities import duration
from stockstream.cli.where import HERE, Where
from stockstream.errors import StartError
from stockstream.quotes import iso_utc
from stockstream.statuses import JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/admin/api/jobs"
SCHEMA_VERSION = 1
POLL_SECONDS = 0.25

jobs = App(
    name="jobs",
    help="""See what a running server does on a schedule, and have it done now.

Retention, roll-ups, purges and backups are jobs. On several nodes with one database each run is \
done by one of them; the last run is known after a restart, and on all nodes.

For example:

- `stockstream jobs` shows all jobs: last run, outcome, next run
- `stockstream jobs show retention` shows one, with what it did or why it failed
- `stockstream jobs run backups` has it run now, and waits for its end

Exit codes: 0 well, 1 a job failed or could not be asked, 2 usage, 130 interrupted.
""",
    help_format="markdown",
)


class _Document(msgspec.Struct):
    jobs: list[JobStatus]


@jobs.default
@jobs.command(name="list")
def show_all(*, where: Where = HERE) -> int:
    """Show all jobs: when each ran last, how that went, and when it runs next."""
    rows = where.client().get(PATH, _Document).jobs
    if where.as_json:
        print_document({"schema_version": SCHEMA_VERSION, "jobs": rows})
    else:
        _show(rows)
    return int(any(row.failing is not None for row in rows))


@jobs.command(name="show")
def show_one(name: str, *, where: Where = HERE) -> int:
    """Show all that is known of a job.

    Parameters
    ----------
    name
        A job of the list.
    """
    row = where.client().get(f"{PATH}/{quote(name, safe='')}", JobStatus)
    if where.as_json:
        print_document({"schema_version": SCHEMA_VERSION, **msgspec.to_builtins(row)})
    else:
        _show_whole(row)
    return int(row.failing is not None)


@jobs.command
def run(
    name: str,
    *,
    wait: Annotated[str, Parameter(name="--wait")] = "10m",
    where: Where = HERE,
) -> int:
    """Have a job run now, on the node that is asked, and wait for its end.

    Parameters
    ----------
    name
        A job of the list.
    wait
        For how long, as 30s or 10m; 0 does not wait. The job goes on after that.
    """
    seconds = duration(wait, "--wait")
    client, path = where.client(), f"{PATH}/{quote(name, safe='')}"
    before = client.change("POST", f"{path}/run", JobStatus)
    row, give_up = before, time.monotonic() + seconds
    while row.runs == before.runs and time.monotonic() < give_up:
        time.sleep(POLL_SECONDS)
        row = client.get(path, JobStatus)
    ended = row.runs > before.runs
    if where.as_json:
        document = {**msgspec.to_builtins(row), "ended": ended}
        print_document({"schema_version": SCHEMA_VERSION, **document})
    elif ended:
        sys.stdout.write(f"{name}: {_outcome(row)}\n")
    else:
        sys.stdout.write(f"{name}: begun\n")
    if seconds and not ended:
        raise StartError(f"{name} has not ended after {seconds:g} s; it goes on")
    return int(ended and row.outcome == "failed")


def _show(rows: Sequence[JobStatus]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("job", "last run", "took", "outcome", "next run", "schedule"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            Text(row.name),
            _time(row.started),
            "" if row.seconds is None else f"{row.seconds:,.1f} s",
            Text(_state(row), style=_style(row)),
            "" if row.next_run is None else _time(row.next_run),
            Text(row.schedule),
        )
    table_console().print(table)


def _show_whole(row: JobStatus) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in (
        ("job", f"{row.name}: {row.about}"),
        ("schedule", row.schedule),
        ("actor", row.place),
        ("last run", f"{_time(row.started)} {'' if row.node is None else f'on {row.node}'}"),
        ("outcome", _outcome(row)),
        ("last success", _time(row.succeeded)),
        ("next run", "" if row.next_run is None else _time(row.next_run)),
        ("runs", f"{row.runs:,}, {row.failures:,} of them failed"),
    ):
        table.add_row(name, Text(text.strip()))
    if row.failing is not None:
        table.add_row("trouble", Text(row.failing, style="red"))
    table_console().print(table)


def _time(moment: int | None) -> str:
    return "never" if moment is None else iso_utc(moment // 1000 * 1000).replace(".000Z", "Z")


def _state(row: JobStatus) -> str:
    if row.running_on is not None:
        return f"runs on {row.running_on}"
    return "failing" if row.failing is not None else row.outcome or "not yet"


def _style(row: JobStatus) -> str:
    return "red" if row.failing is not None or row.outcome == "failed" else ""


def _outcome(row: JobStatus) -> str:
    took = "" if row.seconds is None else f" after {row.seconds:,.1f} s"
    note = "" if not row.note else f": {row.note}"
    return f"{_state(row)}{took}{note}"
