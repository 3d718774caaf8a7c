"""The Chromium that the tests and the screenshots use, and how it is started."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: it does not work for root in a container. The rest keeps Chromium from talking to
# anybody but the server under test.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Path of the Chromium to use: `CHROMIUM`, else the first one on PATH."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """A headless Chromium for the time of a `with`."""
    with sync_playwright() as playwright, launched_by(playwright, path) as browser:
        yield browser


@contextmanager
def launched_by(playwright: Playwright, path: str) -> Iterator[Browser]:
    """The same, by a Playwright that runs already: there may be one in a thread."""
    browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
    try:
        yield browser
    finally:
        browser.close()
