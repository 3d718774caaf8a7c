"""Which build of the program this is: its version, its commit, the interpreter."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from stockstream.version import program_version

UNKNOWN = "unknown"
PACKAGE = Path(__file__).parent
NOTED = "commit"
"""A file of the package that the build of an image writes."""
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


class Build(NamedTuple):
    """What an operator compares nodes by. `commit` is `unknown` where nothing tells it."""

    version: str
    commit: str
    python: str


@cache
def this_build() -> Build:
    """The build that runs; it reads some small files, once."""
    return Build(program_version(), commit_of(PACKAGE), platform.python_version())


def commit_of(package: Path) -> str:
    """The commit of a package: as its build has noted it, or of the checkout that it stands in."""
    noted = _first_line(package / NOTED)
    return noted if _COMMIT.fullmatch(noted) else _checked_out(package.parent / ".git")


def _checked_out(git: Path) -> str:
    """The commit of `.git`, which may be a file that names the place of a worktree."""
    pointer = _first_line(git)
    if pointer.startswith("gitdir: "):
        git = git.parent / pointer.removeprefix("gitdir: ")
    head = _first_line(git / "HEAD")
    if not head.startswith("ref: "):
        return head if _COMMIT.fullmatch(head) else UNKNOWN
    name = head.removeprefix("ref: ")
    shared = git / (_first_line(git / "commondir") or ".")
    for folder in (git, shared):
        commit = _first_line(folder / name)
        if _COMMIT.fullmatch(commit):
            return commit
    return _packed(shared / "packed-refs", name)


def _packed(file: Path, name: str) -> str:
    for line in _text(file).splitlines():
        commit, _, ref = line.partition(" ")
        if ref == name and _COMMIT.fullmatch(commit):
            return commit
    return UNKNOWN


def _first_line(file: Path) -> str:
    return _text(file).partition("\n")[0].strip()


def _text(file: Path) -> str:
    """What is in a file; nothing where there is none that can be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
