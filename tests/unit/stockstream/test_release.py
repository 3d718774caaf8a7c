"""One version everywhere, and a changelog that programs can read."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]
GOOD = """# Changelog

## Unreleased

### Added

- Something
  over two lines.

### Fixed

- Something else.

## 0.0.2rc1 - 2026-11-02

### Security

- A hole.

## 0.0.1 - 2026-11-02

### Added

- All.
"""


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts/release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["release"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, release: ModuleType) -> Path:
    """Our own project files, with a changelog of its own."""
    (tmp_path / "supervision").mkdir()
    for name in release.PROJECTS:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / release.CHANGELOG).write_text(GOOD)
    return tmp_path


def test_our_own_is_right(release: ModuleType) -> None:
    assert release.main(["check"]) == 0


def test_a_changelog_is_read_with_its_days_and_texts(release: ModuleType) -> None:
    unreleased, candidate, first = release.entries(GOOD)
    assert (unreleased.version, unreleased.day) == (None, None)
    assert (str(candidate.version), str(candidate.day)) == ("0.0.2rc1", "2026-11-02")
    assert first.text == "### Added\n\n- All."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## 0.0.1 - 2026-11-02", "## 0.0.1", "no heading as `## 1.2.3 - 2027-01-31`"),
        ("## 0.0.1 - 2026-11-02", "## 0.0.1 - 2026-11-32", "day is out of range"),
        ("## 0.0.1 - 2026-11-02", "## 0.0.2 - 2026-11-02", "stands above 0.0.2"),
        ("## 0.0.1 - 2026-11-02", "## 0.0.1 - 2026-11-03", "stands above 0.0.1 of 2026-11-03"),
        ("### Security", "### Secure", "'Secure' is none of Added"),
        ("- A hole.", "A hole.", "'A hole.' belongs to no line"),
        ("- A hole.\n", "", "Security: is empty"),
        ("## Unreleased\n", "## Unreleased\n\nWords.\n", "'Words.' stands above all sections"),
        ("### Fixed", "### Added", "sections are in the order"),
        ("### Added\n\n- All.\n", "", "0.0.1 - 2026-11-02: says nothing"),
        (GOOD, "# Changelog\n", "names no version"),
        ("## 0.0.2rc1 - 2026-11-02", "## Unreleased", "Unreleased comes first"),
    ],
)
def test_what_has_another_form_is_named(release: ModuleType, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(release.Wrong, match=r"CHANGELOG\.md: ") as caught:
        release.entries(GOOD.replace(old, new, 1))
    assert said in str(caught.value)


def test_a_version_is_written_into_all_places_and_cut(
    release: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["set", "0.3.0"], project) == 0
    assert str(release.version_of(project)) == "0.3.0"
    assert "trio-supervision==0.3.0" in (project / "pyproject.toml").read_text()
    assert release.main(["notes", "v0.3.0"], project) == 1
    assert "has no 0.3.0" in capsys.readouterr().err
    assert release.main(["cut", "2026-12-01"], project) == 0
    assert release.main(["notes", "v0.3.0"], project) == 0
    assert capsys.readouterr().out.startswith("### Added\n\n- Something\n")
    assert release.main(["cut", "2026-12-01"], project) == 1
    assert "nothing is unreleased" in capsys.readouterr().err
    assert release.main(["notes", "0.4.0"], project) == 1
    assert "is 0.3.0, not 0.4.0" in capsys.readouterr().err


def test_places_that_differ_are_named(
    release: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, said in (
        ('version = "9.9.9"', "supervision/pyproject.toml: version 9.9.9"),
        ("other = 1", "no line `version"),
    ):
        shutil.copy(ROOT / "supervision/pyproject.toml", project / "supervision")
        path = project / "supervision/pyproject.toml"
        version = f'version = "{release.version_of(ROOT)}"'
        path.write_text(path.read_text().replace(version, text))
        command = ["check"] if "9.9.9" in text else ["set", "1.0.0"]
        assert release.main(command, project) == 1
        assert said in capsys.readouterr().err
    assert release.main(["set", "soon"], project) == 1
    assert "'soon' is no version" in capsys.readouterr().err
    assert release.main([], project) == 2
