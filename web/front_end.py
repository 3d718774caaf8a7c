"""The front end's files as browsers get them: scripts joined, all of it compressed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from web.bundle import bundle
from web.server import StaticFiles, pack, read_folder

ENTRIES = (
    "js/main.js",
    "js/dialogs.js",
    "js/chart/page.js",
    "js/admin/main.js",
    "js/docs-page.js",
    "js/shared-page.js",
)
"""A page's script each; the dialogs are the dashboard's, which come when one is wanted."""
_FOLDER = Path(__file__).parent / "static"


@cache
def front_end() -> StaticFiles:
    """Read and pack them, once in a process: each life of `web` serves the same.

    Raises:
        BundleError: a script is written in a way that cannot be joined.
    """
    contents = read_folder(_FOLDER)
    made = [bundle(contents, entry) for entry in ENTRIES]
    for files in made:
        contents |= files
    return pack(contents)
