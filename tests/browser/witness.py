"""Looks on while a page is used, and remembers what should not have happened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page

# What Chromium itself writes when nobody listens at the other end. No page can keep it from that,
# so it is no fault of the page while its server is down; at any other time it is one.
_SERVER_IS_AWAY = re.compile(
    r"WebSocket connection to 'ws://[^']*/ws\?protocol=1' failed: |"
    r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)"
)
# And what it writes when a list or an alert is refused, which the page tells, or when there is no
# database: a server that was just started has one a moment later, and the page asks again. The
# course of the day it does without.
_REFUSED = re.compile(
    r"Failed to load resource: the server responded with a status of (409|422|503)"
)
_ROWS = re.compile(r"https?://[^/]+/api/v1/(watchlists|alerts|sparks)\b")
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  window.reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


class Witness:
    """Console warnings and errors, uncaught exceptions, and violations of the CSP, of one page."""

    def __init__(self, page: Page, *, server_goes_away: bool) -> None:
        self.troubles: list[str] = []
        self._server_goes_away = server_goes_away
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)
        page.expose_function("reportViolation", self._on_violation)
        page.add_init_script(_REPORT_VIOLATIONS)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"warning", "error"}:
            return
        if self._server_goes_away and _SERVER_IS_AWAY.match(message.text):
            return
        if _REFUSED.match(message.text) and _ROWS.match(message.location["url"]):
            return
        self.troubles.append(f"console {message.type}: {message.text}")

    def _on_error(self, error: Error) -> None:
        self.troubles.append(f"uncaught: {error}")

    def _on_violation(self, violation: str) -> None:
        self.troubles.append(f"violates the CSP: {violation}")
