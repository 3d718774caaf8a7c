"""The Firefox that the tests use, and how it is started: an ordinary one, by WebDriver BiDi."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

NAMES = ("firefox-esr", "firefox")
NO_COOKIES = {"network.cookie.cookieBehavior": 2}
"""Cookies are blocked, and with them `localStorage`."""
FORCED_COLOURS = {"browser.display.document_color_use": 2}
"""Pages have the system's colours, as in Windows' high contrast."""
AS_IT_IS = {
    "color_scheme": "null",
    "reduced_motion": "null",
    "forced_colors": "null",
    "contrast": "null",
}
"""Options of a context that this Firefox cannot be told otherwise: they are preferences."""


def find() -> str | None:
    """Path of the Firefox to use: `FIREFOX`, else the first one on PATH."""
    named = os.environ.get("FIREFOX")
    if named:
        return named
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


@contextmanager
def launched(
    playwright: Playwright, path: str, preferences: dict[str, str | float | bool] | None = None
) -> Iterator[Browser]:
    """A headless Firefox for the time of a `with`."""
    with tempfile.TemporaryDirectory(prefix="stockstream-firefox-") as folder:
        # Playwright takes one program and appends arguments of Firefox to it.
        program = Path(folder) / "firefox"
        relay = shlex.join([sys.executable, "-m", "tests.browser.firefox_relay", path])
        program.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {relay} "$@"\n')
        program.chmod(0o700)
        browser = playwright.firefox.launch(
            executable_path=program,
            channel="moz-firefox",
            headless=True,
            firefox_user_prefs=preferences,
        )
        try:
            yield browser
        finally:
            browser.close()
