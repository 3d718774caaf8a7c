"""One version for all, and a changelog that can be read by programs.

    scripts/release.py check                the form of CHANGELOG.md, and that all places agree
    scripts/release.py set 0.2.0            write a version into the places that have one
    scripts/release.py cut 2027-01-31       make what is unreleased the version that is set
    scripts/release.py notes 0.2.0          print what a version changes, for its page

The version stands in `pyproject.toml`; the library, which is released with it, and the requirement
of it follow. Programs ask the installed distribution, so they cannot differ.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
CHANGELOG = "CHANGELOG.md"
PROJECTS = ("pyproject.toml", "supervision/pyproject.toml")
LIBRARY = "trio-supervision"
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
UNRELEASED = "Unreleased"
_RELEASE = re.compile(r"(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?) - (\d{4}-\d\d-\d\d)")
_VERSION_LINE = re.compile(r'(?m)^version = "[^"]*"$')


class Wrong(Exception):
    """What is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version's part of the changelog; `version` and `day` are None of what is unreleased."""

    version: Version | None
    day: date | None
    text: str


def entries(text: str) -> list[Entry]:
    """The versions of a changelog, newest first.

    Raises:
        Wrong: it has not the form that its first paragraph promises.
    """
    found: list[Entry] = []
    _, *parts = re.split(r"(?m)^## ", text)
    for number, part in enumerate(parts):
        heading, _, body = part.partition("\n")
        if heading == UNRELEASED:
            if number:
                raise Wrong(f"{CHANGELOG}: {UNRELEASED} comes first")
            version, day = None, None
        else:
            version, day = _released(heading)
        _check_sections(heading, body)
        found.append(Entry(version, day, body.strip()))
    if not found:
        raise Wrong(f"{CHANGELOG}: names no version")
    released = [(entry.version, entry.day) for entry in found if entry.version and entry.day]
    for (newer, later), (older, earlier) in pairwise(released):
        if not newer > older or later < earlier:
            raise Wrong(f"{CHANGELOG}: {newer} of {later} stands above {older} of {earlier}")
    return found


def _released(heading: str) -> tuple[Version, date]:
    match = _RELEASE.fullmatch(heading)
    if match is None:
        raise Wrong(f"{CHANGELOG}: {heading!r} is no heading as `## 1.2.3 - 2027-01-31`")
    try:
        return Version(match[1]), date.fromisoformat(match[2])
    except ValueError as error:
        raise Wrong(f"{CHANGELOG}: {heading!r}: {error}") from None


def _check_sections(heading: str, body: str) -> None:
    before, *parts = re.split(r"(?m)^### ", body)
    if before.strip():
        raise Wrong(f"{CHANGELOG}: {heading}: {before.strip()[:40]!r} stands above all sections")
    names = []
    for part in parts:
        name, _, lines = part.partition("\n")
        names.append(name)
        stray = [line for line in lines.splitlines() if line and not line.startswith(("- ", "  "))]
        if name not in SECTIONS:
            raise Wrong(f"{CHANGELOG}: {heading}: {name!r} is none of {', '.join(SECTIONS)}")
        if stray or "\n- " not in f"\n{lines}":
            why = f"{stray[0]!r} belongs to no line `- …`" if stray else "is empty"
            raise Wrong(f"{CHANGELOG}: {heading}: {name}: {why}")
    if names != sorted(set(names), key=SECTIONS.index):
        raise Wrong(f"{CHANGELOG}: {heading}: sections are in the order {', '.join(SECTIONS)}")
    if not names and heading != UNRELEASED:
        raise Wrong(f"{CHANGELOG}: {heading}: says nothing")


def version_of(root: Path) -> Version:
    """The version of both distributions.

    Raises:
        Wrong: they differ, or the product requires another one of the library.
    """
    product, library = (
        tomllib.loads((root / name).read_text(encoding="utf-8"))["project"] for name in PROJECTS
    )
    version = product["version"]
    if library["version"] != version:
        raise Wrong(
            f"{PROJECTS[1]}: version {library['version']}, where {PROJECTS[0]} is {version}"
        )
    if f"{LIBRARY}=={version}" not in product["dependencies"]:
        raise Wrong(f"{PROJECTS[0]}: requires no {LIBRARY}=={version}")
    return Version(version)


def check(root: Path) -> list[Entry]:
    """The changelog's versions.

    Raises:
        Wrong: it has not its form, or the version is older than the newest that was released.
    """
    found = entries((root / CHANGELOG).read_text(encoding="utf-8"))
    newest = next((entry.version for entry in found if entry.version), None)
    version = version_of(root)
    if newest is not None and version < newest:
        raise Wrong(f"{PROJECTS[0]}: {version} is older than {newest} in {CHANGELOG}")
    return found


def set_version(root: Path, text: str) -> None:
    """Write it into all places.

    Raises:
        Wrong: it is none, or a place has no line for it.
    """
    version = _version(text)
    for name in PROJECTS:
        path = root / name
        written, times = _VERSION_LINE.subn(
            f'version = "{version}"', path.read_text(encoding="utf-8"), count=1
        )
        if not times:
            raise Wrong(f'{name}: has no line `version = "…"`')
        pinned = re.sub(rf'"{LIBRARY}==[^"]*"', f'"{LIBRARY}=={version}"', written)
        path.write_text(pinned, encoding="utf-8")


def cut(root: Path, day: str) -> None:
    """Make what is unreleased the version that is set.

    Raises:
        Wrong: there is nothing unreleased, or that version is there already.
    """
    version, path = version_of(root), root / CHANGELOG
    text = path.read_text(encoding="utf-8")
    found = check(root)
    if found[0].version is not None or not found[0].text:
        raise Wrong(f"{CHANGELOG}: nothing is unreleased")
    if any(entry.version == version for entry in found):
        raise Wrong(f"{CHANGELOG}: {version} is there already; set the next version first")
    heading = f"## {UNRELEASED}\n"
    cut_text = text.replace(heading, f"{heading}\n## {version} - {day}\n", 1)
    entries(cut_text)
    path.write_text(cut_text, encoding="utf-8")


def notes(root: Path, text: str) -> str:
    """What a version changes.

    Raises:
        Wrong: the changelog has no such version, or the projects are of another.
    """
    version = _version(text)
    found = check(root)
    if version_of(root) != version:
        raise Wrong(f"{PROJECTS[0]}: is {version_of(root)}, not {version}")
    for entry in found:
        if entry.version == version:
            return f"{entry.text}\n"
    raise Wrong(f"{CHANGELOG}: has no {version}; `scripts/release.py cut` makes it")


def _version(text: str) -> Version:
    try:
        return Version(text.removeprefix("v"))
    except InvalidVersion:
        raise Wrong(f"{text!r} is no version as 1.2.3 or 1.2.3rc1") from None


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Do what was asked; 1 with a line on standard error where something is wrong."""
    try:
        match list(arguments):
            case ["check"]:
                check(root)
            case ["set", version]:
                set_version(root, version)
            case ["cut", day]:
                cut(root, day)
            case ["notes", version]:
                sys.stdout.write(notes(root, version))
            case _:
                sys.stderr.write(f"{__doc__}")
                return 2
    except (Wrong, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
