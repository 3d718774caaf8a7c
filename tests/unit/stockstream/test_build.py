"""Which build runs, from what is on disk; no git is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream.build import NOTED, UNKNOWN, commit_of, this_build
from stockstream.version import program_version

if TYPE_CHECKING:
    from pathlib import Path

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40
PACKED = f"# pack-refs with: peeled\n{OTHER} refs/heads/other\n{COMMIT} refs/heads/main\n^{OTHER}\n"


def put(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "package"


BRANCH = "ref: refs/heads/main\n"


@pytest.mark.parametrize(
    "files",
    [
        {f"package__{NOTED}": f"{COMMIT}\n"},
        {".git__HEAD": f"{COMMIT}\n"},
        {".git__HEAD": BRANCH, ".git__refs__heads__main": f"{COMMIT}\n"},
        {".git__HEAD": BRANCH, ".git__packed-refs": PACKED},
        {
            ".git": "gitdir: main/.git/worktrees/one\n",
            "main__.git__worktrees__one__HEAD": BRANCH,
            "main__.git__worktrees__one__commondir": "../..\n",
            "main__.git__refs__heads__main": COMMIT,
        },
        {f"package__{NOTED}": "unknown\n", ".git__HEAD": COMMIT},
    ],
    ids=["noted", "detached", "branch", "packed", "worktree", "noted nothing"],
)
def test_the_commit_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    """As an image's build notes it, and in each kind of checkout."""
    assert commit_of(put(tmp_path, **files)) == COMMIT


@pytest.mark.parametrize(
    "files",
    [
        {},
        {".git__HEAD": "ref: refs/heads/gone\n", ".git__packed-refs": PACKED},
        {".git__HEAD": "what is this"},
        {".git": "gitdir: nowhere\n"},
    ],
)
def test_it_is_unknown_where_nothing_tells_it(tmp_path: Path, files: dict[str, str]) -> None:
    """An archive without a history, or one that is damaged."""
    assert commit_of(put(tmp_path, **files)) == UNKNOWN


def test_this_build_is_told() -> None:
    """With the version that `stockstream --version` says."""
    assert this_build().version == program_version()
