"""Where a login leads: back to the page that asked for it, and to no other site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quart import request, url_for

from web.callers import SAFE_METHODS
from web.users.gate import LoginNeededError
from web.users.principal import LoginEndedError, PasswordChangeNeededError

if TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

NEXT = "next"
LONGEST = 2_000
_OWN = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
"""A path of this host. Browsers read a backslash as a slash, and leave out tabs and line breaks: so
`/\\evil.example` would be another host."""


def own_path(text: str) -> str | None:
    """The path, where it is one of this host."""
    return text if len(text) <= LONGEST and _OWN.fullmatch(text) else None


def asked_for() -> str:
    """The path of the request at hand, with its query, as a browser asks for it."""
    query = request.query_string.decode("ascii", "replace")
    path = f"{request.root_path}{request.path}"
    return f"{path}?{query}" if query else path


def where_next(given: str | None) -> str:
    """Where to go on: as the request says, or to the dashboard."""
    return own_path(given or "") or url_for("pages.dashboard")


def to_login(error: HTTPException) -> str | None:
    """Where to send a person whose page was refused, so that they come back to it."""
    come_back = asked_for() if request.method in SAFE_METHODS else None
    if isinstance(error, LoginNeededError | LoginEndedError):
        return url_for("login.form", next=come_back)
    if isinstance(error, PasswordChangeNeededError):
        return url_for("account.password_form", next=come_back)
    return None
