"""The index of the decisions, `docs/adr/README.md`."""

from __future__ import annotations

import re
from pathlib import Path

ADR = Path(__file__).parents[3] / "docs" / "adr"
ENTRY = re.compile(r"^- \[(\d{4})\]\((.+?)\) (.+?)(?: \(superseded by (\d{4})\))?$", re.MULTILINE)
TITLE = re.compile(r"# (\d{4}):? (.+)")
STATUS = re.compile(r"^Status: (.+)$", re.MULTILINE)
SUPERSEDED = re.compile(r"superseded by \[?(\d{4})")
SUPERSEDES = re.compile(r"Supersedes \[?(\d{4})")


def test_the_index_names_each_record_once():
    """By its number, its file and its title, and by which one it was superseded."""
    records = []
    for path in sorted(ADR.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title, status = TITLE.match(text), STATUS.search(text)
        assert title is not None, path.name
        assert status is not None, path.name
        later = SUPERSEDED.match(status[1])
        records.append((title[1], path.name, title[2], later[1] if later else ""))
    assert sorted(ENTRY.findall((ADR / "README.md").read_text(encoding="utf-8"))) == records


def test_a_superseded_record_says_by_which():
    """Whoever reads the old one first learns that it is old."""
    statuses = {}
    for path in ADR.glob("[0-9]*.md"):
        found = STATUS.search(path.read_text(encoding="utf-8"))
        assert found is not None, path.name
        statuses[path.name[:4]] = found[1]
    pairs = [(new, old) for new, said in statuses.items() for old in SUPERSEDES.findall(said)]
    assert pairs
    for new, old in pairs:
        found = SUPERSEDED.match(statuses[old])
        assert found is not None, f"{old} does not say that {new} supersedes it"
        assert found[1] == new
