"""The admin API: for operators on this machine who have the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response
from werkzeug.exceptions import ServiceUnavailable

from stockstream.delivery.protocol import encode
from stockstream.telemetry.tree import tree_document
from supervision import snapshot
from web.admin_auth import require_admin

if TYPE_CHECKING:
    from supervision import System


def admin_api(system: System) -> Blueprint:
    """The routes under `/admin/api`."""
    blueprint = Blueprint("admin_api", __name__, url_prefix="/admin/api")

    blueprint.before_request(require_admin)

    @blueprint.get("/tree")
    async def tree() -> Response:
        root = snapshot(system)
        if root is None:
            raise ServiceUnavailable("nothing runs")
        return Response(encode(tree_document(root)), content_type="application/json")

    return blueprint
