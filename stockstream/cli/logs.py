"""`stockstream logs`: from which severity on each logger of a running server writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import msgspec
from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from stockstream.cli.printing import print_document, table_console
from stockstream.cli.quantities import duration
from stockstream.cli.where import HERE, Where
from stockstream.errors import UsageError
from stockstream.telemetry.log_levels import LONGEST_SECONDS, Level, LoggerRow

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/admin/api/loggers"
SCHEMA_VERSION = 1

logs = App(
    name="logs",
    help="""See and change, for a while, from which severity on a running server logs.

A level that is changed here falls back by itself, so that debug lines nobody needs any more do \
not fill a disk. LOG_LEVEL is for all loggers and for good; it takes a new start.

For example:

- `stockstream logs` shows all loggers, and which have another level until when
- `stockstream logs level stockstream.market.streamer debug --for 10m`
- `stockstream logs reset stockstream.market.streamer` ends that at once
""",
    help_format="markdown",
)


class _Document(msgspec.Struct):
    loggers: list[LoggerRow]


@logs.default
def show(*, where: Where = HERE) -> None:
    """Show all loggers, the level of each, and until when it is lent another one."""
    _tell(where.client().get(PATH, _Document).loggers, as_json=where.as_json)


@logs.command
def level(
    name: str,
    level: Level,
    *,
    seconds: Annotated[str, Parameter(name="--for")] = "10m",
    where: Where = HERE,
) -> None:
    """Have a logger write from a severity on, for a while.

    Parameters
    ----------
    name
        A logger of the list; `root` is all that have no level of their own.
    level
        The least severity that it writes.
    seconds
        For how long, as 90s, 10m or 1h, an hour at most. Then it falls back by itself.
    """
    body = {"level": level, "seconds": _seconds(seconds)}
    row = where.client().change("PUT", f"{PATH}/{quote(name, safe='')}", LoggerRow, body)
    _tell([row], as_json=where.as_json)


@logs.command
def reset(name: str, *, where: Where = HERE) -> None:
    """Have a logger write what it did before, at once.

    Parameters
    ----------
    name
        A logger of the list.
    """
    row = where.client().change("DELETE", f"{PATH}/{quote(name, safe='')}", LoggerRow)
    _tell([row], as_json=where.as_json)


def _seconds(text: str) -> float:
    seconds = duration(text, "--for")
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(f"--for: {text!r} is not above 0 and at most an hour")
    return seconds


def _tell(rows: Sequence[LoggerRow], *, as_json: bool) -> None:
    if as_json:
        print_document({"schema_version": SCHEMA_VERSION, "loggers": rows})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("logger", "level", "lent", "what it tells"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        lent = ""
        if row.lent is not None:
            lent = f"{row.lent.seconds_left:,.0f} s more, to {row.lent.who}"
        style = "" if row.lent is None else "yellow"
        table.add_row(Text(row.name), Text(row.level, style=style), Text(lent), row.about)
    table_console().print(table)
