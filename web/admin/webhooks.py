"""`/admin/api/webhooks`: the queue of calls, receivers in trouble, and dead calls to post again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint
from werkzeug.exceptions import NotFound

from stockstream.alerts.queue_rows import FetchCallQueue, PostAgain
from stockstream.alerts.webhooks import PostNow
from stockstream.users.roles import Scope
from web.admin.bodies import ROW_NUMBER
from web.answers import json_answer
from web.asking import ask_database
from web.audited import audited, current_author
from web.users.gate import allow, require

if TYPE_CHECKING:
    from quart import Response

    from web.parts import Parts


class NoSuchCallError(NotFound):
    """That alert is posted nowhere, or is gone."""

    word: ClassVar[str] = "no_such_call"


def webhooks_api(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("webhooks_api", __name__, url_prefix="/admin/api/webhooks")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def queue() -> Response:
        return json_answer((await ask_database(parts.database, FetchCallQueue())).value)

    @blueprint.post(f"/<{ROW_NUMBER}:alert>/post")
    async def post(alert: int) -> Response:
        allow(Scope.ADMIN_WRITE)
        with audited(current_author(), "webhook.post_again", str(alert)):
            line = (await ask_database(parts.database, PostAgain(alert))).value
            if line is None:
                raise NoSuchCallError(f"the alert {alert} is posted nowhere")
            parts.webhooks.cast(PostNow(line))
        return json_answer({"alert": alert, "receiver": line.receiver})

    return blueprint
