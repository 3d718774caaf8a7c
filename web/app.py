"""The Quart-Trio app: pages, API, health, static files, the WebSocket beside them."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from quart import Response, jsonify, render_template, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, InternalServerError

from web.admin_api import admin_api
from web.admin_auth import install
from web.api import api
from web.chaos_api import chaos_api
from web.health import health
from web.server import websocket_class

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.admin_stream import EventStreams
    from web.clients import Clients
    from web.parts import Parts

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGEST_BODY = 64 * 1024
STATIC_SECONDS = 31_536_000
"""Static files are asked for with the version of their content, so they never change."""
JSON_PATHS = ("/api/", "/health/", "/admin/api/")

_log = logging.getLogger("web")
_HERE = Path(__file__).parent


def create_app(parts: Parts, clients: Clients, streams: EventStreams) -> QuartTrio:
    """Build the app for one life of `web`."""
    app = QuartTrio(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    app.jinja_env.globals["asset_version"] = asset_version(_HERE / "static")
    # Quart's hook for another class; its type names the one it ships.
    app.asgi_websocket_class = websocket_class({"/ws": clients.handle})  # type: ignore[assignment]

    app.register_blueprint(api(parts.tables))
    app.register_blueprint(health(parts.tables, parts.settings.wall_clock_ms))
    install(app, parts.settings.admin, parts.settings.trusted_proxies)
    app.register_blueprint(admin_api(parts, streams))
    app.register_blueprint(
        chaos_api(
            parts.system,
            parts.chaos,
            enabled=parts.settings.chaos_enabled,
            role_token=parts.settings.chaos_token,
        )
    )

    @app.get("/")
    async def dashboard() -> str:
        return await render_template("dashboard.html")

    app.register_error_handler(HTTPException, _error)
    app.register_error_handler(Exception, _crash)
    app.after_request(_add_security_headers)
    return app


def asset_version(folder: Path) -> str:
    """A short hash of all static files: the version that their addresses carry."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


async def _error(error: HTTPException) -> tuple[Response | str, int]:
    code = error.code or InternalServerError.code
    if request.path.startswith(JSON_PATHS):
        # An API error brings its own code word; others are named by their status.
        word = getattr(error, "word", error.name.lower().replace(" ", "_"))
        return jsonify({"error": {"code": word, "reason": error.description}}), code
    page = await render_template(
        "error.html", code=code, title=error.name, message=error.description
    )
    return page, code


async def _crash(error: Exception) -> tuple[Response | str, int]:
    _log.error("%s %s failed", request.method, request.path, exc_info=error)
    return await _error(InternalServerError())


async def _add_security_headers(response: WerkzeugResponse) -> WerkzeugResponse:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
