"""The headers of every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from quart import Response

from web.server.hosts import host_name, is_loopback_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.exceptions import HTTPException

    from web.callers import Caller

POLICY = "Content-Security-Policy"


def content_security_policy(nodes: Sequence[str] = ()) -> str:
    """Everything from this server alone, but for WebSockets of the other `nodes`."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            " ".join(("connect-src 'self'", *nodes)),
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


SECURITY_HEADERS = {
    POLICY: content_security_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PRIVATE_HEADERS = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
"""For all but static files: what they say is old a moment later."""

STAY_WITH_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""For a year. Without `includeSubDomains`: what else the domain has is not ours to decide."""


def transport_headers(caller: Caller) -> dict[str, str]:
    """What an answer carries because of how the request came.

    `localhost` is left alone: it is shared with all that a developer runs without TLS.
    """
    name = host_name(caller.host)
    if not caller.secure or name is None or is_loopback_name(name):
        return {}
    return STAY_WITH_TLS


class Elsewhere(Response):
    """A redirect that is meant to lead to another port of this host."""

    def __init__(self, location: str) -> None:
        super().__init__(b"", status=302, headers={"Location": location})


def own_address(location: str) -> str:
    """Where a redirect of ours leads, without scheme and host: those that the browser used stay.

    The router writes them as it sees them, which behind a proxy is neither TLS nor the port.
    """
    _, _, path, query, fragment = urlsplit(location)
    return urlunsplit(("", "", f"/{path.lstrip('/')}", query, fragment))


def headers_of(error: HTTPException) -> list[tuple[str, str]]:
    """What a status comes with: Allow with 405, Retry-After with 429, WWW-Authenticate with 401."""
    return [pair for pair in error.get_headers() if pair[0].lower() != "content-type"]
