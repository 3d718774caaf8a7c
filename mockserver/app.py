"""The stub API as an ASGI app: the admin pages are Quart's, everything else is a stub's."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import trio
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, HTTPScope, Scope
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from mockserver.admin import HEALTH, admin_blueprint, answer
from mockserver.incoming import Request, split_host
from mockserver.page import page_blueprint
from mockserver.responses import Answer, text_answer
from mockserver.streams.channels import STREAMS, Channels
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource
from mockserver.views import error_json
from mockserver.wire_answers import write_answer
from web.server import AllowedHosts, pack, read_folder, serve_static, websocket_class

MAX_REQUEST_BYTES: Final = 5_000_000
_ADMIN: Final = "/__admin"
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

Receive = Callable[[], Awaitable[ASGIReceiveEvent]]
Send = Callable[[ASGISendEvent], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(
    server: StubServer, source: StubSource, channels: Channels, hosts: AllowedHosts
) -> QuartTrio:
    """The app that serves `server`'s stubs and lets `/__admin` change them, asked for by `hosts`.

    Stubs and the tapes of `channels` answer under any name.

    It needs `web.server` below it: faults and reason phrases are written on its wire.
    """
    app = QuartTrio("mockserver", static_folder=None)
    serve_static(app, pack(read_folder(Path(app.root_path) / "static")), f"{_ADMIN}/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.register_blueprint(page_blueprint(server, source))
    app.register_blueprint(admin_blueprint(server, source, channels))

    @app.before_request
    async def refuse_other_names() -> Response | None:
        """A page whose name was made to point here would read and change stubs as our own does."""
        host = request.headers.get("Host", "")
        if request.path == HEALTH or hosts.allow(host):
            return None
        problem = f"this server is not known as {host[:100]!r}; name that host in --allowed-hosts"
        return answer(error_json(421, problem), 421)

    @app.errorhandler(HTTPException)
    async def failed(error: HTTPException) -> Response:
        return answer(error_json(error.code or 500, error.description or ""), error.code or 500)

    @app.after_request
    async def harden(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _CSP
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    sockets = websocket_class(channels.handlers())
    app.asgi_websocket_class = sockets  # type: ignore[assignment]
    app.asgi_app = StubsBeside(app.asgi_app, server, channels)  # type: ignore[method-assign]
    return app


class StubsBeside:
    """Gives requests below `/__admin` to `admin`, those below `/__streams` to the tapes, and
    answers all others from the stubs.

    Not a route: a stub may have any method and any path, also those a router cannot express.
    """

    def __init__(self, admin: Asgi, server: StubServer, channels: Channels) -> None:
        self._admin = admin
        self._server = server
        self._channels = channels
        self._reports = trio.CapacityLimiter(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or _is_admin(scope["path"]):
            await self._admin(scope, receive, send)
            return
        try:
            body = await _read_body(receive)
        except _ClientLeft:
            return
        except _BodyTooLarge:
            too_large = f"The body is larger than {MAX_REQUEST_BYTES} bytes.\n"
            await write_answer(scope, send, text_answer(413, too_large))
            return
        request = _request(scope, body)
        if scope["path"].startswith(f"{STREAMS}/"):
            told = self._channels.answer(request)
            await write_answer(scope, send, self._server.disturbed(told))
            return
        answer: Answer | None = self._server.served(request)
        if answer is None:
            # In a thread: comparing with every stub takes long, and others wait for their answers.
            why = await trio.to_thread.run_sync(self._server.report(request), limiter=self._reports)
            answer = self._server.missed(request, why)
        await write_answer(scope, send, answer)


class _ClientLeft(Exception):
    """The connection ended before the request did."""


class _BodyTooLarge(Exception):
    """More than `MAX_REQUEST_BYTES`."""


def _is_admin(path: str) -> bool:
    return path == _ADMIN or path.startswith(f"{_ADMIN}/")


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _ClientLeft
        parts.append(event["body"])
        size += len(event["body"])
        if size > MAX_REQUEST_BYTES:
            raise _BodyTooLarge
        if not event["more_body"]:
            return b"".join(parts)


def _request(scope: HTTPScope, body: bytes) -> Request:
    url = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        url += "?" + scope["query_string"].decode("latin-1")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    server = scope["server"] or ("localhost", None)
    named = next((value for name, value in headers if name.lower() == "host"), "")
    implied = 443 if scope["scheme"] == "https" else 80
    host, port = split_host(named, (server[0], server[1] or implied), implied)
    return Request(
        method=scope["method"].upper(),
        url=url,
        headers=headers,
        body=body,
        client_ip=scope["client"][0] if scope["client"] else "",
        scheme=scope["scheme"],
        host=host,
        port=port,
        protocol=f"HTTP/{scope['http_version']}",
    )
