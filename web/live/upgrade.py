"""The answer to a plain HTTP request for `/ws`; often a proxy drops the upgrade by default."""

from __future__ import annotations

from typing import NoReturn

from quart import Blueprint
from werkzeug.exceptions import HTTPException

from stockstream.users.roles import Scope
from web.users.gate import require


class UpgradeRequired(HTTPException):
    """426 (RFC 9110, section 15.5.22), with the protocol to upgrade to."""

    code = 426
    description = (
        "This is a WebSocket's address, and the request did not ask for one. A proxy before the "
        "server must speak HTTP/1.1 to it and pass on the headers Upgrade and Connection; for "
        "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade";'
    )

    def get_headers(self, *_: object) -> list[tuple[str, str]]:
        """What the answer says beside its body."""
        return [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
        ]


def upgrade() -> Blueprint:
    """The route `/ws` of HTTP."""
    blueprint = Blueprint("upgrade", __name__)
    blueprint.before_request(require(Scope.PRICES_READ))

    @blueprint.get("/ws")
    async def not_upgraded() -> NoReturn:
        raise UpgradeRequired

    return blueprint
