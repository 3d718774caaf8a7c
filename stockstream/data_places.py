"""Where a server keeps its data when `DATA_DIRECTORY` says nothing.

A checkout keeps it in `.stockstream` of the working directory, so that it goes when the checkout
goes. What is installed keeps it where the platform has users' data, so that each command finds the
same server from any folder. A folder `.stockstream` that is there already is used in both cases.
"""

from __future__ import annotations

import os
import pwd
import sys
from functools import cache
from pathlib import Path
from typing import Final

from stockstream.errors import ConfigurationError

LOCAL: Final = Path(".stockstream")
NAME: Final = "stockstream"
_PACKAGE = Path(__file__).parent
_OUR_PROJECT = 'name = "stockstream"'


def default_directory() -> Path:
    """The data directory of a start here.

    Raises:
        ConfigurationError: this user has no home to keep it in.
    """
    return LOCAL if in_checkout() or _is_ours(LOCAL) else users_directory()


@cache
def in_checkout(package: Path = _PACKAGE) -> bool:
    """Whether the program runs from its sources: beside its package is our own project file."""
    try:
        text = (package.parent / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _OUR_PROJECT in text.splitlines()


def users_directory() -> Path:
    """Where the platform has this user's data of ours: XDG's place, or that of macOS.

    Raises:
        ConfigurationError: this user has no home.
    """
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    if given.is_absolute():  # XDG has a relative one ignored
        return given / NAME
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / NAME
    return _home() / ".local" / "share" / NAME


def _home() -> Path:
    given = Path(os.environ.get("HOME", ""))
    if given.is_absolute():
        return given
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ConfigurationError(
            f"DATA_DIRECTORY: user {os.getuid()} has no home to keep data in; set DATA_DIRECTORY "
            "to a directory that can be written"
        ) from None


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder of this user's. Another's could hold secrets that they know."""
    try:
        return folder.is_dir() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False
