"""The live table of `cluster up`: on a terminal one that is drawn anew, else a line per change."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stockstream.cli.cluster.showing import STYLES, shortened
from stockstream.nodes.processes import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.cluster.told import MemberDocument
    from stockstream.nodes.watching import Look

_PIECE = 65_536
_PIPE_BYTES = 1 << 20
"""What the nodes may log while this process is busy, before they wait for it."""


class Lines:
    """For a pipe: a node is told when something about it is new."""

    log: int | None = None

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def show(self, looks: Sequence[Look]) -> None:
        """Write the nodes that changed."""
        for look in looks:
            line = _line(look)
            if self._told.get(look.process.name) != line:
                self._told[look.process.name] = line
                sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def write(self, text: str) -> None:
        """Write a text."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def show_log(self) -> None:
        """It goes its own way."""

    def close(self) -> None:
        """Nothing is held."""


class LiveTable:
    """For a terminal. The log of this process and of all nodes appears above the table.

    All of them write to descriptor 2, which is a pipe meanwhile; this object reads it.
    """

    def __init__(self) -> None:
        self._closed = False
        self._terminal = os.dup(2)
        self._log, write_end = os.pipe()
        os.set_blocking(self._log, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.dup2(write_end, 2)
        os.close(write_end)
        self._rest = b""
        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    @property
    def log(self) -> int:
        """The descriptor that becomes readable when there are lines to show."""
        return self._log

    def show(self, looks: Sequence[Look]) -> None:
        """Draw it anew, below what was logged."""
        if self._closed:
            return
        self._live.start()
        self._live.update(_table(looks), refresh=True)

    def write(self, text: str) -> None:
        """Write a text above the table."""
        self._console.print(Text(text), end="")

    def show_log(self) -> None:
        """Write what was logged above the table."""
        with suppress(BlockingIOError):
            while piece := os.read(self._log, _PIECE):
                self._rest += piece
        whole, newline, self._rest = self._rest.rpartition(b"\n")
        if newline:
            text = Text.from_ansi(whole.decode(errors="replace"))
            self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Have the log go to the terminal again; the last table stays."""
        if self._closed:
            return
        self._closed = True
        self._live.stop()
        os.dup2(self._terminal, 2)
        self.show_log()
        if self._rest:
            self.write(self._rest.decode(errors="replace") + "\n")
        os.close(self._terminal)
        os.close(self._log)


def _table(looks: Sequence[Look]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("node", "state", "fetches", "clients", "load", "process", "address"):
        right = name in {"clients", "load"}
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "fetches")
    for look in looks:
        process, mine = look.process, _own(look)
        state, style = _state(look)
        lives = "" if process.lives < 2 else f" (life {process.lives})"
        table.add_row(
            Text(process.name, style="bold"),
            Text(state, style=style),
            Text(_fetches(look)),
            "-" if mine is None else f"{mine.clients:,}",
            "-" if mine is None else f"{mine.load:.0%}",
            Text("-" if process.phase is Phase.ENDED else f"{process.pid}{lives}"),
            Text(process.url),
        )
    return table


def _own(look: Look) -> MemberDocument | None:
    if look.said is None:
        return None
    me = look.said.node, look.said.boot
    return next((one for one in look.said.members if (one.node, one.boot) == me), None)


def _state(look: Look) -> tuple[str, str]:
    if not look.process.serves:
        return look.process.phase, "red" if look.process.phase is Phase.ENDED else "yellow"
    if look.said is None:
        return "no answer", "red"
    return look.said.state.replace("_", " "), STYLES[look.said.state]


def _fetches(look: Look) -> str:
    mine = _own(look)
    if look.said is None or mine is None:
        return "-"
    return shortened(look.said.fetches_alone or mine.fetches)


def _line(look: Look) -> str:
    """Without figures that change at each look."""
    return f"{look.process.name} {_state(look)[0]}, fetches {_fetches(look)}, at {look.process.url}"
