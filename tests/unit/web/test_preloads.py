"""The modules that a page names ahead: all that it imports, or they are found one after another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "web"
MODULES = WEB / "static" / "js"
IMPORT = re.compile(r"""^(?:import|\} from)\b.*"(\.\.?/[\w./-]+)\.js";$""", re.MULTILINE)


def imported(module: str) -> set[str]:
    """The modules that one imports, and what those import."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        file = MODULES / f"{waiting.pop()}.js"
        named = IMPORT.findall(file.read_text(encoding="utf-8"))
        where = [(file.parent / name).resolve().relative_to(MODULES.resolve()) for name in named]
        new = {str(module) for module in where} - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize(("page", "entry"), [("dashboard", "main"), ("symbol", "chart/page")])
def test_a_page_names_all_its_modules_ahead(page: str, entry: str) -> None:
    """Each once, and none that it does not need."""
    template = (WEB / "templates" / f"{page}.html").read_text(encoding="utf-8")
    listed = re.search(r"for module in \[(.*?)\]", template, re.DOTALL)
    assert listed is not None
    names = re.findall(r'"([\w/-]+)"', listed[1])
    assert sorted(names) == sorted(imported(entry))
