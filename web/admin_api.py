"""The admin API: for operators on this machine who have the token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, ServiceUnavailable, Unauthorized

from stockstream.delivery.protocol import encode
from stockstream.telemetry.tree import tree_document
from supervision import snapshot
from web.admission import client_address, is_loopback
from web.server import wire_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from supervision import System


class NotLoopbackError(Forbidden):
    """The request came over the network."""

    word: ClassVar[str] = "not_loopback"


class WrongTokenError(Unauthorized):
    """There is no token, or a wrong one."""

    word: ClassVar[str] = "wrong_token"


def admin_api(
    system: System, token: str, trusted: Sequence[IPv4Network | IPv6Network]
) -> Blueprint:
    """The routes under `/admin/api`."""
    blueprint = Blueprint("admin_api", __name__, url_prefix="/admin/api")

    @blueprint.before_request
    async def check() -> None:
        peer = wire_of(request.scope).peer
        forwarded = request.headers.getlist("x-forwarded-for")
        address = client_address(peer[0] if peer else "", forwarded, trusted)
        if not is_loopback(address) or (forwarded and not trusted):
            raise NotLoopbackError("the admin API answers this machine only")
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise WrongTokenError("send the header Authorization: Bearer with ADMIN_TOKEN")

    @blueprint.get("/tree")
    async def tree() -> Response:
        root = snapshot(system)
        if root is None:
            raise ServiceUnavailable("nothing runs")
        return Response(encode(tree_document(root)), content_type="application/json")

    return blueprint
