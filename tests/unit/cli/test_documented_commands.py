"""Each command that the documentation tells people to type is one that the program takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from stockstream.cli import build
from tests.support.documented import Command, commands

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr"),
]
GROUPS = {
    "cluster",
    "chaos",
    "db",
    "tokens",
    "audit",
    "users",
    "jobs",
    "notices",
    "providers",
    "logs",
}
"""Named in running text without a verb: that shows their help."""


def typed(page: Path) -> Iterator[Command]:
    """Those that somebody could type: no `…`, no sentence about a kind of them."""
    for command in commands(page, ROOT):
        words = command.arguments
        if command.in_block or not any(word in {"…", "..."} or "COMMAND" in word for word in words):
            yield command


def why_refused(command: Command) -> str:
    """What the program's own parser says; nothing where it takes it."""
    words = list(command.arguments)
    if len(words) == 1 and words[0] in GROUPS:
        words.append("--help")
    if not command.in_block and words[-1] in {"--url", "--token"}:
        words = words[:-1]  # "`stockstream tree --url` with its address": the value stands behind
    try:
        build(words[0]).parse_args(words, print_error=False, exit_on_error=False)
    except MissingArgumentError as error:
        # In a sentence a command is named, not typed.
        return str(error) if command.in_block else ""
    except CycloptsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_program_takes_each_command_of_a_page(page: Path) -> None:
    refused = [
        f"{command.page}:{command.line}: {command.shown}: {why}"
        for command in typed(page)
        if (why := why_refused(command))
    ]
    assert refused == []


def test_commands_are_found_in_blocks_and_in_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say `stockstream tree` or `PORT=1 .venv/bin/stockstream watch 'A B' \\| jq .`.\n\n"
        '```sh\nA="b c" stockstream db status   # a comment\n$ stockstream logs > file\n```\n\n'
        "```text\nstockstream nothing\n```\n`stockstream` alone is none.\n"
    )
    found = list(commands(page, tmp_path))
    assert [one.arguments for one in found] == [
        ("tree",), ("watch", "A B"), ("db", "status"), ("logs",),
    ]  # fmt: skip
    assert [one.settings for one in found] == [{}, {"PORT": "1"}, {"A": "b c"}, {}]
    assert [(one.line, one.in_block) for one in found] == [
        (1, False),
        (1, False),
        (4, True),
        (5, True),
    ]


@pytest.mark.parametrize(
    "text", ["tre", "watch --al", "db status --nonsense", "cluster up --nodes three", "chaos kill"]
)
def test_a_command_that_has_changed_is_found_out(text: str) -> None:
    assert why_refused(Command("page", 1, text, {}, tuple(text.split()), in_block=True))
