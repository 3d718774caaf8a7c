"""`/api/v1/cluster`: which nodes there are, and which of them fetches what."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint
from werkzeug.exceptions import NotFound

from stockstream.cluster.told import ClusterDocument, cluster_document
from web.answers import json_answer
from web.api.openapi import documented
from web.users.gate import TooManyFailuresError, WrongTokenError, require_scraper

if TYPE_CHECKING:
    from quart import Response

    from stockstream.tables import Tables


class SingleNodeError(NotFound):
    """There is no cluster: CLUSTER_NATS_URL is not set."""

    word: ClassVar[str] = "single_node"


def cluster(tables: Tables, *, token_needed: bool) -> Blueprint:
    """The route `/api/v1/cluster`, for who may read `/metrics`: it tells addresses of nodes."""
    blueprint = Blueprint("cluster", __name__, url_prefix="/api/v1")

    @blueprint.get("/cluster")
    @documented(
        ClusterDocument,
        errors=(SingleNodeError, WrongTokenError, TooManyFailuresError),
        operator=True,
    )
    async def look() -> Response:
        """The cluster, as this node sees it.

        Its members, who fetches what, and how long ago was heard of each. It takes the admin token
        where `/metrics` does. `stockstream cluster status` shows the same.
        """
        require_scraper(token_needed=token_needed)
        document = cluster_document(tables)
        if document is None:
            raise SingleNodeError("this is a single node: CLUSTER_NATS_URL is not set")
        return json_answer(document)

    return blueprint
