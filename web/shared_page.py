"""`/shared/{token}`: the list that somebody shared, to look at and to take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, render_template
from werkzeug.exceptions import BadRequest

from stockstream.users.roles import Scope
from web.api.shares import open_link, read_token
from web.users.access import give_cookie
from web.users.gate import require
from web.users.principal import person

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.parts import Parts


def shared_page(parts: Parts) -> Blueprint:
    """The route. A link that shows nothing any more leads to a page that says so."""
    blueprint = Blueprint("shared_page", __name__, url_prefix="/shared")
    blueprint.before_request(require(Scope.PRICES_READ))

    @blueprint.after_request
    async def name_user(response: WerkzeugResponse) -> WerkzeugResponse:
        response.headers["X-Robots-Tag"] = "noindex"
        # A browser that was never here needs a user, to whom its copy belongs.
        failed = response.status_code >= BadRequest.code
        if failed or parts.settings.login_needed or person() is not None:
            return response
        return give_cookie(response)

    @blueprint.get("/<token>")
    async def one(token: str) -> str:
        found = await open_link(parts.database, read_token(token))
        held = {symbol for section in found.sections for symbol in section.symbols}
        loose = [symbol for symbol in found.symbols if symbol not in held]
        return await render_template("shared.html", shared=found, loose=loose)

    return blueprint
