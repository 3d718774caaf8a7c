"""What a terminal shows: the truths, and a row for each symbol; drawn anew a few times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stockstream.cli.watch import figures
from stockstream.cli.watch.printable import printable
from stockstream.cli.watch.standing import RowState, bases_sentence, change
from stockstream.cli.watch.truths import truths

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from stockstream.cli.watch.standing import Standing
    from stockstream.cli.watch.truths import Truth
    from stockstream.cli.watch.watching import Row, Watching

ENTER = "\x1b[?1049h\x1b[?25l"
"""To the terminal's other screen, without a cursor."""
LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

WITH_CHANGE, WITH_NOTE, WITH_NAME = 36, 60, 84
"""Columns that the terminal needs for each of these."""
NEW_MS = 700.0
"""A price that changed is bold for so long."""

_ARROWS = {"up": "▲", "down": "▼", "flat": " "}
_COLOURS = {"up": "green", "down": "red", "flat": ""}
_GOOD = {"open", "live", "closed"}
_PENDING = {"connecting", "unknown", "half_open", "stale", "no_answer"}
_STYLES = {
    RowState.STALE: "yellow",
    RowState.REFUSED: "red",
    RowState.FROZEN: "cyan",
    RowState.HALTED: "yellow",
    RowState.CLOSED: "dim",
    RowState.LOADING: "dim",
    RowState.LIVE: "",
}


class Screen:
    """See the module. `console` says how large the terminal is and what colours it has."""

    def __init__(self, watching: Watching, console: Console, *, count: int | None = None) -> None:
        """After `count` prices it is done."""
        self._watching = watching
        self._console = console
        self._count = count
        self._notices: list[str] = []

    @property
    def done(self) -> bool:
        """Whether as many prices came as were wanted."""
        return self._count is not None and self._watching.prices >= self._count

    def next(self, now: float) -> str:
        """The whole screen, drawn over the last one."""
        lines = self._text(now, self._console.height).split("\n")[: self._console.height]
        return _HOME + "\n".join(f"{line}{_REST_OF_LINE}" for line in lines) + _REST_OF_SCREEN

    def last(self, now: float) -> str:
        """The same to be left behind, below the command."""
        return self._text(now, None) + "\n"

    def _text(self, now: float, height: int | None) -> str:
        with self._console.capture() as capture:
            for part in self._parts(now, height):
                self._console.print(part, no_wrap=True, overflow="ellipsis", crop=True)
        return capture.get().rstrip("\n")

    def _parts(self, now: float, height: int | None) -> list[RenderableType]:
        watching = self._watching
        watching.changed.clear()
        watching.refused.clear()
        self._notices += watching.notices
        watching.notices.clear()
        told = truths(watching, now)
        head: list[RenderableType] = [
            _truth("Connection", told.connection, watching.url),
            _truth("Feed", told.feed),
            _truth("Breaker", told.breaker),
            Text(),
        ]
        rows = list(watching.rows.values())
        foot = [Text(printable(notice), style="yellow") for notice in self._notices[-2:]]
        above, sentence = bases_sentence([row.held for row in rows if row.held is not None])
        if sentence and not above:
            foot.append(Text(sentence, style="dim"))
        if height is not None:
            room = max(1, height - len(head) - len(foot) - 1)
            if len(rows) > room:
                more = len(rows) - room + 1
                rows = rows[: room - 1]
                foot.insert(0, Text(f"and {more} more; the terminal is too low", style="dim"))
        return [*head, self._table(rows, above, now), *foot]

    def _table(self, rows: list[Row], above: str, now: float) -> Table:
        width = self._console.width
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        table.add_column("symbol", no_wrap=True)
        table.add_column("price", justify="right", no_wrap=True)
        if width >= WITH_CHANGE:
            table.add_column(above or "change", justify="right", no_wrap=True, overflow="ellipsis")
        table.add_column("age", no_wrap=True)
        if width >= WITH_NOTE:
            table.add_column("", no_wrap=True, overflow="ellipsis")
        if width >= WITH_NAME:
            table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
        for row in rows:
            standing = self._watching.standing(row, now)
            cells = [Text(printable(row.symbol), style="bold"), _price(row, standing, now)]
            if width >= WITH_CHANGE:
                cells.append(_change(row, absolute=width >= WITH_NOTE))
            cells.append(Text(standing.text, style=_STYLES[standing.state]))
            if width >= WITH_NOTE:
                cells.append(Text(printable(standing.note)))
            if width >= WITH_NAME:
                cells.append(Text(_name(row)))
            table.add_row(*cells)
        return table


def _truth(label: str, truth: Truth, where: str = "") -> Text:
    style = "green" if truth.state in _GOOD else "yellow" if truth.state in _PENDING else "red"
    if label == "Breaker" and truth.state == "open":
        style = "red"
    line = Text(f"{label:<11}", style="dim")
    line.append(truth.name, style=f"not dim {style}")
    detail = ", ".join(filter(None, (where, truth.detail)))
    line.append(printable(f"  {detail}"), style="not dim")
    return line


def _price(row: Row, standing: Standing, now: float) -> Text:
    held = row.held
    if held is None:
        return Text("-", style="dim")
    style = "dim" if standing.state in {RowState.STALE, RowState.REFUSED} else ""
    if not style and row.moved > 1 and now - held.changed_at < NEW_MS:
        style = "bold"
    return Text(figures.price(held.price, row.decimals), style=style)


def _change(row: Row, *, absolute: bool) -> Text:
    day = None if row.held is None else change(row.held)
    if day is None:
        return Text("-", style="dim")
    direction = figures.direction_of(day.absolute, row.decimals)
    parts = [figures.signed(day.absolute, row.decimals)] if absolute else []
    parts += [f"{figures.signed(day.percent, 2)} %", _ARROWS[direction]]
    return Text("  ".join(parts[:-1]) + " " + parts[-1], style=_COLOURS[direction])


def _name(row: Row) -> str:
    held = row.held
    if held is None:
        return ""
    source = held.source and f"via {held.source}"
    return printable(" · ".join(filter(None, (held.name, held.exchange, held.currency, source))))
