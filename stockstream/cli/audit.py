"""`stockstream audit`: what operators did, straight from the database."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal

import trio
from cyclopts import App, Parameter
from cyclopts.validators import Number

from stockstream.cli.db.common import moment, visiting
from stockstream.cli.db.outputs import told_on, written
from stockstream.database.query import ask
from stockstream.errors import UsageError
from stockstream.users.audit_lines import csv_header, csv_line, json_line, text_line
from stockstream.users.operator_audit import FetchEntries, FetchWritten, last_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import BinaryIO

    from stockstream.users.operator_audit import StoredEntry
    from supervision import ActorRef

PAGE = 500
FOLLOW_SECONDS = 1.0
LOOKED_BACK = 200
"""Numbers are given before entries can be seen, so an earlier one may be seen later than another's:
that many are looked at again."""

Form = Literal["jsonl", "csv"]

audit = App(
    name="audit",
    help="""See who did what to the server and to accounts, and how it ended.

Each action of an operator leaves an entry: faults that were injected, log levels, accounts, \
sessions and tokens. Entries are read from the database that DATABASE_URL names, else from the \
embedded one, so this needs no running server.

For example:

- `stockstream audit tail` shows the last ones; with `--follow`, those that come, too
- `stockstream audit tail --action chaos --who alice`
- `stockstream audit export --from 2026-11-01 --format csv --output november.csv`
""",
    help_format="markdown",
)


@audit.command
async def tail(
    *,
    count: Annotated[
        int, Parameter(name=("--count", "-n"), validator=Number(gte=1, lte=PAGE))
    ] = 20,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"), negative=())] = False,
    who: str | None = None,
    action: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Show the last entries, the newest at the end.

    Parameters
    ----------
    count
        So many of them.
    follow
        Go on with those that come, until Ctrl+C.
    who
        Only what this one did.
    action
        Only this action, or all that begin with it up to a point, as `chaos`.
    as_json
        A line of JSON for each.
    """
    shown = json_line if as_json else text_line
    async with visiting() as visit:
        newest = await visit.ask(FetchEntries(count, who, action))
        for entry in reversed(newest):
            sys.stdout.write(shown(entry))
        if follow:
            async for entry in followed(visit.database, newest):
                if _is_wanted(entry, who, action):
                    sys.stdout.write(shown(entry))
                    sys.stdout.flush()
    return 0


async def followed(database: ActorRef, newest: list[StoredEntry]) -> AsyncIterator[StoredEntry]:
    """What is written from now on, without end; `newest` are known already."""
    everything = await ask(database, FetchEntries(1))
    last = max((one.id for one in (*everything, *newest)), default=0)
    window = await ask(database, FetchWritten(last - LOOKED_BACK, PAGE))
    seen = {one.id for one in window if one.id <= last}
    sys.stdout.flush()
    while True:
        while found := await ask(database, FetchWritten(last - LOOKED_BACK, PAGE)):
            for one in found:
                if one.id not in seen:
                    yield one
            last = max(last, found[-1].id)
            seen = {number for number in seen if number > last - LOOKED_BACK}
            seen |= {one.id for one in found}
            if len(found) < PAGE:
                break
        await trio.sleep(FOLLOW_SECONDS)


def _is_wanted(one: StoredEntry, who: str | None, action: str | None) -> bool:
    if who is not None and one.entry.who != who:
        return False
    name = one.entry.action
    return action is None or name == action or name.startswith(f"{action}.")


@audit.command
async def export(
    *,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    who: str | None = None,
    action: str | None = None,
    form: Annotated[Form | None, Parameter(name="--format")] = None,
    output: Path | None = None,
) -> int:
    """Write entries as lines of JSON or as CSV, the oldest first.

    In CSV a cell that a sheet would take for a formula begins with an apostrophe.

    Parameters
    ----------
    begin
        From this time on (UTC unless it has a zone).
    end
        Up to this time, not included.
    who
        Only what this one did.
    action
        Only this action, or all that begin with it up to a point.
    form
        Else what the output's name says, else jsonl.
    output
        A file, which is there whole or not at all, readable by its owner only; or a pipe or
        device. Else standard output.
    """
    start = None if begin is None else moment("--from", begin)
    until = None if end is None else moment("--to", end)
    if start is not None and until is not None and start >= until:
        raise UsageError("--from: it is not before --to")
    named = output is not None and output.suffix.lower() == ".csv"
    chosen = form or ("csv" if named else "jsonl")
    line = csv_line if chosen == "csv" else json_line
    count, place = 0, None
    with _output(output) as file:
        if chosen == "csv":
            file.write(csv_header().encode())
        async with visiting() as visit:
            while page := await visit.ask(
                FetchEntries(PAGE, who, action, start, until, place, oldest_first=True)
            ):
                file.write("".join(map(line, page)).encode())
                count, place = count + len(page), last_place(page)
    if output is not None:
        told_on(output).write(f"{output}: {count:,} entries\n")
    return 0


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    with written(path, 0o600) as file:
        yield file
