"""The README tells what there is: its pictures, links, commands and the supervision tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.readme import TREE, tree_picture
from stockstream.config import PRIVATE, Settings

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_of_the_tree_is_the_tree_that_is_built() -> None:
    """`make readme` draws it anew after a change of `application.py`."""
    assert TREE.read_text(encoding="utf-8") == tree_picture()


def test_the_picture_of_the_tree_shows_every_actor_of_a_full_start() -> None:
    """Each name stands in the picture once, and what is optional is drawn dashed."""
    drawn = ET.fromstring(tree_picture())
    name_at = {
        int(text.get("y", "0")): text.text
        for text in drawn.iter(f"{SVG}text")
        if text.get("class") == "name"
    }
    assert {"root", "stub", "market", "streamer", "broadcaster", "sessions"} <= set(
        name_at.values()
    )
    squares, discs = list(drawn.iter(f"{SVG}rect")), list(drawn.iter(f"{SVG}circle"))
    assert len(squares) + len(discs) == len(name_at)
    dashed = [int(disc.get("cy", "0")) for disc in discs if disc.get("class") == "optional"]
    of_backups = ["backups", "log_archive"]
    of_a_cluster = ["bus", "membership"]
    assert [name_at[y + 5] for y in dashed] == [
        "stub",
        *of_backups,
        *of_a_cluster,
        "router",
        "chaos",
    ]


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r'(?:\]\(|src="|srcset=")(?!https?:)([^)"#]+)', README)))
)
def test_what_it_links_to_is_there(target: str) -> None:
    """Pictures and files, by their path in the repository."""
    assert (ROOT / target).exists()


def test_pictures_are_small() -> None:
    """A README is read on a telephone too."""
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert [picture for picture in pictures if picture.stat().st_size > 200_000] == []


def test_targets_of_make_that_it_names_exist() -> None:
    """And there are some."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([.a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?m)(?:^|`|\b[A-Z_]+=\S+ )make ([.a-z-]+)", README))
    assert {"run", "test"} <= named
    assert named <= targets


def test_commands_that_it_names_exist() -> None:
    """Every `stockstream WORD` is one of the program's commands."""
    shown = subprocess.run(
        [sys.executable, "-m", "stockstream", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    named = set(re.findall(r"\bstockstream ([a-z]+)\b", README))
    assert {"tree", "config", "mock", "chaos"} <= named
    assert [command for command in named if not re.search(rf"│ {command}\b", shown)] == []


def test_settings_that_it_names_exist() -> None:
    """A word in capitals with an underscore is a setting, or a variable of all programs."""
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", README))
    assert named
    of_all = {"ALL_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"}
    of_all |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "XDG_DATA_HOME"}
    of_all |= {
        f"NAME_API_{what}" for what in ("KEY", "KEY_FILE", "SECRET", "SECRET_FILE")
    }  # of a provider by its name
    of_all |= {f"{name.upper()}_FILE" for name in PRIVATE}
    assert named - of_all <= {name.upper() for name in Settings.model_fields}
