"""The runbooks, as pages of Grafana: a panel for each alert, which the others link to."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.grafana.model import Dashboard, Kind, Panel, Row

PAGE = Path(__file__).parents[2] / "docs" / "runbooks.md"
CHARACTERS_A_LINE = 95
FRAME = 2
"""Units of a panel's height that are not for its text."""


def _panel(title: str, text: str) -> Panel:
    told = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text.strip())  # no page is beside it
    lines = sum(1 + len(line) // CHARACTERS_A_LINE for line in told.split("\n\n"))
    return Panel(Kind.TEXT, title, "", "", (), width=12, height=FRAME + lines, text=told)


def _row(chapter: str) -> Row:
    title, *parts = re.split(r"^### (.+)$", chapter, flags=re.MULTILINE)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return Row(title.strip(), tuple(_panel(name, text) for name, text in pairs))


def _chapters() -> tuple[Row, ...]:
    _, *chapters = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tuple(_row(chapter) for chapter in chapters)


DASHBOARD = Dashboard(
    name="runbooks",
    title="Runbooks",
    description="What each alert means, and what to do: docs/runbooks.md.",
    rows=_chapters(),
)
