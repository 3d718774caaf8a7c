"""`/metrics` for an operator's Prometheus. It reads memory only, so it always answers."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from quart import Blueprint, Response

from stockstream.alerts import metrics as alerts
from stockstream.cluster import metrics as cluster
from stockstream.database import metrics as database
from stockstream.delivery import metrics as delivery
from stockstream.history import metrics as history
from stockstream.jobs import metrics as jobs
from stockstream.market import metrics as market
from stockstream.notices import metrics as notices
from stockstream.telemetry import metrics as telemetry
from stockstream.users import metrics as users
from web.live import metrics as live
from web.users import metrics as logins
from web.users.gate import require_scraper
from web.watch import limit_metrics as limits
from web.watch import server_metrics as web_server
from web.watch.exposition import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stockstream.metrics import Family
    from web.live.admission import AdmissionStatistics
    from web.parts import Parts, WebSettings
    from web.server import ServerStatistics


def metrics(
    parts: Parts,
    admission: Callable[[], AdmissionStatistics],
    server: Callable[[], ServerStatistics],
) -> Blueprint:
    """The route `/metrics`."""
    blueprint = Blueprint("metrics", __name__)
    settings = parts.settings
    needed = token_needed(settings)

    def families() -> Iterator[Family]:
        """The families of each part. A new part needs a line here, a new family does not."""
        tables = parts.tables
        yield from delivery.families(tables, parts.connections)
        yield from live.families(admission(), settings.max_connections)
        yield from web_server.families(server())
        yield from limits.families(settings.throttles)
        yield from market.families(tables)
        yield from cluster.families(tables)
        yield from database.families(tables)
        yield from history.families(tables, settings.wall_clock_ms())
        yield from jobs.families(tables)
        yield from alerts.families(tables)
        yield from users.families(tables)
        yield from logins.families(tables, settings.throttles.logins, settings.passwords)
        yield from notices.families(tables)
        yield from telemetry.families(parts.telemetry, parts.system, settings.node)

    @blueprint.get("/metrics")
    async def scrape() -> Response:
        require_scraper(token_needed=needed)
        return Response(exposition(families()), content_type=CONTENT_TYPE)

    return blueprint


def token_needed(settings: WebSettings) -> bool:
    """Whether who watches needs a token on this machine, too: not where no other one can ask.

    In production always: a server that listens on this machine alone is there for a proxy.
    """
    shared = not all(_is_loopback(sock.getsockname()[0]) for sock in settings.sockets)
    return settings.production or shared


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback
