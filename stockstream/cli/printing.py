"""Results of commands on standard output: JSON for programs, and a console for people's tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from typing import TextIO

WIDTH_OF_A_PIPE = 200
"""Nothing is broken into two lines there."""


def print_document(document: object, out: TextIO | None = None) -> None:
    """Print anything that msgspec writes, as indented JSON."""
    text = msgspec.json.format(msgspec.json.encode(document)).decode()
    (out or sys.stdout).write(f"{text}\n")


def dated(row: msgspec.Struct, *times: str) -> dict[str, object]:
    """The fields of a row for a program; those of `times`, in ms since 1970, as text."""
    return {
        name: iso_utc(value) if name in times and value is not None else value
        for name, value in msgspec.structs.asdict(row).items()
    }


def table_console(*, soft_wrap: bool = False) -> Console:
    """As wide as the terminal; a pipe has no width of its own."""
    width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
    return Console(highlight=False, soft_wrap=soft_wrap, width=width)
