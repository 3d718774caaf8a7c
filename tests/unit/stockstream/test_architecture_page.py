"""`docs/architecture.md` names files; they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = ["", "stockstream", "web", "web/live", "web/static/js"]
NAMED = sorted(set(re.findall(r"`([\w./-]+(?:\.py|\.js|/))`", PAGE)))
LINKED = sorted(set(re.findall(r"\]\(([\w./-]+)\)", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_exists(name: str) -> None:
    """From the root, or in a package that the sentence is about; `metrics.py` is in several."""
    places = [ROOT / folder / name for folder in FOLDERS]
    assert any(place.exists() for place in places), name


@pytest.mark.parametrize("link", LINKED)
def test_its_links_lead_somewhere(link: str) -> None:
    """Relative to the page."""
    assert (ROOT / "docs" / link).exists(), link
