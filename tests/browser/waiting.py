"""How long a test waits for what must happen, also where the browser does not wait by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

WAIT_SECONDS = 20.0
"""Generous, for a busy machine; a test that passes does not use it up."""


def until(page: Page, holds: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    """Wait until it holds, without the page's clock; `told` says how it stands if it never does."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up, told()
        page.wait_for_timeout(20)  # the browser's events are taken meanwhile
