"""Runs a command as on a machine where root can make no user namespace, as in most containers.

The kernel refuses one to a process whose root is not that of its mount namespace. So the command
gets a mount namespace of its own, with a second mount of the whole file system as its root.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ENTER = """
set -eu
root=$1 there=$2 prepare=$3
shift 3
mount --rbind / "$root"
cd "$root"
mount -t tmpfs tmpfs var/cache
eval "$prepare"
exec chroot . sh -euc 'cd "$1"; shift; exec "$@"' sh "$there" "$@"
"""


def without_namespaces(
    folder: Path, command: Sequence[str | Path], there: Path, prepare: str = ":"
) -> list[str | Path]:
    """The command that runs `command` in `there`, on such a machine; its root is at `folder`.

    Written files stay, except in `/var/cache`, which is empty. A shell runs `prepare` in the folder
    that becomes the root, where it may mount more.
    """
    skip_unless_possible()
    folder.mkdir(exist_ok=True)
    enter: list[str | Path] = ["unshare", "--mount", "sh", "-c", _ENTER, "sh"]
    return [*enter, folder, there, prepare, *command]


def skip_unless_possible() -> None:
    """Skip the test where we are not root, or may not mount."""
    if not _is_possible():
        pytest.skip("only root who may mount can be without user namespaces")


@cache
def _is_possible() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0
