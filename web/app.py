"""The Quart-Trio app: pages, API, health, static files, the WebSocket beside them."""

from __future__ import annotations

import logging
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING

from quart import Response, jsonify, render_template, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, InternalServerError

from supervision import correlation_id
from web.admin.about import about_api
from web.admin.actions import actions_api
from web.admin.audit import audit_api
from web.admin.chaos import chaos_api
from web.admin.connections import connections_api
from web.admin.feeds import feeds_api
from web.admin.figures import figures_api
from web.admin.items import items_api
from web.admin.jobs import jobs_api
from web.admin.letters import letters_api
from web.admin.log import log_api
from web.admin.loggers import loggers_api
from web.admin.page import admin
from web.admin.reading import admin_api
from web.admin.tokens import people_tokens_api
from web.admin.webhooks import webhooks_api
from web.api.alerts import alerts_api
from web.api.docs import docs
from web.api.fired import fired_api
from web.api.history import history_api
from web.api.indicators import indicators_api
from web.api.list_files import LARGEST_BODY as LARGEST_LIST_FILE
from web.api.list_files import PATH as LIST_FILE_PATH
from web.api.list_files import list_files_api
from web.api.mail import mail_api
from web.api.quotes import api
from web.api.rows import RowConverter
from web.api.shares import shared_api, shares_api
from web.api.sparks import sparks_api
from web.api.symbols import symbols_api
from web.api.tokens import tickets_api, tokens_api
from web.api.watchlists import watchlists_api
from web.audited import install as install_audit
from web.base_path import below
from web.callers import socket_holder
from web.compression import Compression
from web.live.upgrade import upgrade
from web.mail_pages import mail_pages
from web.pages import pages
from web.request_caller import current_caller, told_path
from web.request_caller import install as install_callers
from web.request_limits import count_requests, refuse_addresses
from web.request_span import begin_span, end_span, note_status
from web.security import (
    SECURITY_HEADERS,
    Elsewhere,
    headers_of,
    own_address,
    transport_headers,
)
from web.server import serve_static, websocket_class, wire_of
from web.shared_page import shared_page
from web.sized_request import sized_request
from web.users.access import install as install_users
from web.users.account import account
from web.users.account_mail import account_mail
from web.users.account_tokens import account_tokens
from web.users.gate import install as install_admin
from web.users.login import login
from web.users.oidc import oidc, way_of
from web.users.people import people
from web.users.principal import install as install_principals
from web.users.principal import may, person
from web.users.returning import to_login
from web.watch.cluster import cluster
from web.watch.health import health
from web.watch.metrics import metrics, token_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quart import Blueprint
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.admin.stream import EventStreams
    from web.callers import Network
    from web.live.clients import Clients
    from web.parts import Parts
    from web.server import ServerStatistics

LARGEST_BODY = 64 * 1024
REQUEST_ID = "X-Request-Id"
_SENT_ID = re.compile(r"[A-Za-z0-9._:=+/-]{8,128}")
REDIRECTS = range(300, 400)
JSON_PATHS = ("/metrics", "/api/", "/health/", "/admin/api/", "/ws", "/openapi.json")

Answer = tuple["Response | str", int, list[tuple[str, str]]]

_log = logging.getLogger("web")


def create_app(
    parts: Parts,
    clients: Clients,
    streams: EventStreams,
    statistics: Callable[[], ServerStatistics],
) -> QuartTrio:
    """Build the app for one life of `web`; `statistics` are those of the server it runs on."""
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.request_class = sized_request({LIST_FILE_PATH: LARGEST_LIST_FILE})
    front_end = parts.settings.front_end
    serve_static(app, front_end, "/static")
    app.jinja_env.globals["asset_version"] = front_end.version
    # In the page, as each page would ask for it before its first price.
    app.jinja_env.globals["icon"] = parts.settings.front_end.files[
        "favicon.svg"
    ].plain.body.decode()
    app.jinja_env.globals |= {"person": person, "may": may}
    app.url_map.converters["row"] = RowConverter
    base = parts.settings.base_path
    app.config["APPLICATION_ROOT"] = base or "/"
    app.asgi_app = below(base, app.asgi_app)  # type: ignore[method-assign, assignment]
    # Quart's hook for another class; its type names the one it ships.
    sockets = websocket_class({f"{base}/ws": clients.handle})
    app.asgi_websocket_class = sockets  # type: ignore[assignment]

    app.before_request(_begin_request)
    install_callers(app, parts.settings.hosts, parts.settings.trusted_proxies)
    app.before_request(partial(_take_over_id, parts.settings.trusted_proxies))
    throttles = parts.settings.throttles
    refuse_addresses(app, throttles.requests, parts.principals)
    app.teardown_request(end_span)
    install_principals(app, parts.principals)
    count_requests(app, throttles.requests, parts.audit)
    install_users(app, parts.settings.users, parts.settings.allowed_origins, throttles)
    install_admin(app, parts.settings.admin, login_needed=parts.settings.login_needed)
    install_audit(app, parts.audit)
    public = Compression().public
    now = parts.settings.wall_clock_ms
    app.register_blueprint(public(pages(parts.tables, login_needed=parts.settings.login_needed)))
    app.register_blueprint(public(docs()))
    for prices in (api(parts), symbols_api(parts)):
        app.register_blueprint(public(prices))
    tables, database = parts.tables, parts.database
    for stored in (
        history_api(tables, database, now),
        indicators_api(tables, database, now),
        sparks_api(tables, database),
    ):
        app.register_blueprint(public(stored))
    app.register_blueprint(upgrade())
    app.register_blueprint(metrics(parts, clients.admission.statistics, statistics))
    app.register_blueprint(cluster(parts.tables, token_needed=token_needed(parts.settings)))
    app.register_blueprint(health(parts.tables, parts.settings.traffic, now))
    for rows in (
        watchlists_api(parts.database),
        list_files_api(parts),
        shares_api(parts),
        shared_api(parts),
        shared_page(parts),
    ):
        app.register_blueprint(rows)
    app.register_blueprint(alerts_api(parts))
    app.register_blueprint(fired_api(parts))
    app.register_blueprint(mail_api(parts))
    app.register_blueprint(tokens_api(parts))
    app.register_blueprint(tickets_api(parts))
    links = parts.settings.mail_links
    app.jinja_env.globals["mails"] = links is not None
    for pages_of in (
        *_doors(parts),
        *([] if links is None else [mail_pages(parts, links), account_mail(parts)]),
        account(parts),
        account_tokens(parts),
        people(parts),
        admin(parts),
    ):
        app.register_blueprint(pages_of)
    for for_operators in _operations(parts, streams, clients):
        app.register_blueprint(for_operators)

    app.register_error_handler(HTTPException, _error)
    app.register_error_handler(Exception, _crash)
    app.after_request(_add_headers)
    return app


def _operations(parts: Parts, streams: EventStreams, clients: Clients) -> list[Blueprint]:
    """What stands behind the admin page."""
    settings = parts.settings
    return [
        admin_api(parts, streams, clients.credentials.held),
        items_api(parts),
        actions_api(parts),
        connections_api(parts),
        feeds_api(parts),
        figures_api(parts),
        log_api(),
        about_api(parts),
        webhooks_api(parts),
        letters_api(parts),
        audit_api(parts),
        people_tokens_api(parts),
        jobs_api(parts.system, parts.tables.jobs),
        loggers_api(parts.system, parts.telemetry.levels),
        chaos_api(
            parts.system,
            parts.chaos,
            node=settings.node,
            enabled=settings.chaos_enabled,
            access=settings.admin,
        ),
    ]


def _doors(parts: Parts) -> list[Blueprint]:
    """Where people log in."""
    provider, base = parts.settings.oidc, parts.settings.base_path
    if provider is None:
        return [login(parts)]
    return [
        login(parts, [way_of(provider, base)]),
        oidc(parts, provider, parts.settings.attempts),
    ]


async def _begin_request() -> None:
    # Log lines of all actors that work for this request carry it (R62), and so does the answer.
    correlation_id.set(secrets.token_hex(8))


async def _take_over_id(trusted: Sequence[Network]) -> None:
    """Use the id that a trusted proxy, or a program on this machine, has for the request."""
    sent = request.headers.get(REQUEST_ID, "")
    peer = wire_of(request.scope).peer
    of_a_proxy = peer is not None and socket_holder(trusted, peer[0]) is None
    if (of_a_proxy or current_caller().local) and _SENT_ID.fullmatch(sent):
        correlation_id.set(sent)
    begin_span(believed=current_caller().local)  # proxies pass on what their clients have sent


async def _error(error: HTTPException) -> Answer:
    code = error.code or InternalServerError.code
    headers = headers_of(error)
    if request.path.startswith(JSON_PATHS) or request.mimetype == "application/json":
        # An API error brings its own code word; others are named by their status.
        word = getattr(error, "word", error.name.lower().replace(" ", "_"))
        told = {"code": word, "reason": error.description}
        fields = getattr(error, "fields", None)
        body = jsonify({"error": told if fields is None else {**told, "fields": fields}})
        return body, code, headers
    leads_on = to_login(error)
    if leads_on is not None:
        return "", 303, [("Location", leads_on)]
    page = await render_template(
        "error.html", code=code, title=error.name, message=error.description
    )
    return page, code, headers


async def _crash(error: Exception) -> Answer:
    _log.error("%s %s failed", request.method, told_path(), exc_info=error)
    return await _error(InternalServerError())


async def _add_headers(response: Response | WerkzeugResponse) -> Response | WerkzeugResponse:
    for name, value in (SECURITY_HEADERS | transport_headers(current_caller())).items():
        response.headers.setdefault(name, value)
    redirects = response.location is not None and response.status_code in REDIRECTS
    if redirects and not isinstance(response, Elsewhere):
        response.location = own_address(str(response.location))
        response.set_data(b"")  # which repeats the address as it was
    note_status(response.status_code)
    response.headers.setdefault(REQUEST_ID, str(correlation_id.get() or ""))
    response.headers.setdefault("Cache-Control", "no-store")
    return response
