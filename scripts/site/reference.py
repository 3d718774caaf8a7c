"""Pages of reference that the code tells by itself: settings, commands, exit codes."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import stockstream.cli
from stockstream.cli import build
from stockstream.cli.config import markdown_table
from stockstream.program import NAME, program_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclopts import App

_SETTINGS = """# Settings

Environment variables, or lines `NAME=value` of a file `.env` in the working directory; the
environment wins. Durations are seconds, sizes bytes, shares percent; lists are separated by
commas. `stockstream config` shows what a start would use, and where each value came from. How
secrets are given is in [Secrets](../secrets.md).
"""
_COMMANDS = """# Commands

`stockstream COMMAND --help` says the same. Exit codes are [on a page of their
own](exit-codes.md).
"""
_EXIT_CODES = """# Exit codes

Of every command: {}. What is wrong is one line on standard error; with `--json`, an object with
`exit_code` and `error` on standard output.
"""
_CONTENTS = re.compile(r"## Table of Contents\n\n(?: *- .*\n)+\n")
_CODES = re.compile(r"Exit codes?: (.+?)\.(?:\s|$)", re.DOTALL)


def pages() -> dict[str, str]:
    """Each page's place and text."""
    return {
        "reference/settings.md": settings(),
        "reference/commands.md": commands(),
        "reference/exit-codes.md": exit_codes(),
    }


def settings() -> str:
    """Every setting, by group."""
    groups = [_SETTINGS]
    for table in markdown_table().strip().split("\n\n"):
        heading, rest = table.split("\n", 1)
        name = heading.split("|")[1].strip()
        groups.append(f"## {name}\n\n| Setting | Default | |\n{rest}\n")
    return "\n".join(groups).replace("docs/secrets.md", "[Secrets](../secrets.md)")


def commands() -> str:
    """Every command with its help, as cyclopts writes it."""
    parts = [_COMMANDS]
    for name in build():
        if name.startswith("-"):
            continue
        # The app of a chosen command has its docstring, as `--help` does.
        typed = f"{NAME} {name}"
        text = build(name)[name].generate_docs(heading_level=2, max_heading_level=4)
        text = text.replace(program_name(), NAME)
        text = re.sub(rf"(?m)^(#+) {name}\b", rf"\1 {typed}", text)
        text = _CONTENTS.sub("", text).replace(f"(#{name}-", f"(#{NAME}-{name}-")
        parts.append(re.sub(rf"(?m)(?<=```console\n){name}\b", typed, text))
    return "\n".join(parts)


def exit_codes() -> str:
    """What every command may end with, and what some say of it."""
    lines = [_EXIT_CODES.format(_codes_of(inspect.getdoc(stockstream.cli) or ""))]
    lines.append("| Command | says |\n|---|---|")
    for name, text in _documented(build(), NAME):
        codes = _codes_of(text)
        if codes:
            lines.append(f"| `{name}` | {codes} |")
    return "\n".join(lines) + "\n"


def _codes_of(text: str) -> str:
    found = _CODES.search(text)
    return re.sub(r"\s+", " ", found[1]).replace("|", "\\|") if found else ""


def _documented(app: App, name: str) -> Iterator[tuple[str, str]]:
    """Each command below, by its words, with its docstring."""
    for word in app:
        if word.startswith("-"):
            continue
        below = app[word]
        text = inspect.getdoc(below.default_command) if below.default_command else below.help
        yield f"{name} {word}", text or ""
        yield from _documented(below, f"{name} {word}")
