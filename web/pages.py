"""The pages people look at: the watch list, and a chart per symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, NotFound

from stockstream.market.exchange_zones import zone_of
from stockstream.quotes import InvalidSymbol, parse_symbol
from stockstream.users.roles import Scope
from web.nodes import socket_sources
from web.security import POLICY, content_security_policy
from web.users.access import give_cookie
from web.users.gate import require
from web.users.principal import person

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse

    from stockstream.tables import Tables


def pages(tables: Tables, *, login_needed: bool = False) -> Blueprint:
    """The routes `/` and `/s/<symbol>`."""
    blueprint = Blueprint("pages", __name__)
    blueprint.before_request(require(Scope.PRICES_READ))

    @blueprint.after_request
    async def let_move(response: WerkzeugResponse) -> WerkzeugResponse:
        # The prices of a page may come from another node, when this one goes.
        sources = socket_sources(tables.members.value)
        if sources:
            response.headers[POLICY] = content_security_policy(sources)
        return response

    @blueprint.after_request
    async def name_user(response: WerkzeugResponse) -> WerkzeugResponse:
        # A page, not the API: a program that asks for prices is no browser's user. Who has logged
        # in is an account's, and where all do so there are no others.
        if response.status_code >= BadRequest.code or login_needed or person() is not None:
            return response
        return give_cookie(response)

    @blueprint.get("/")
    async def dashboard() -> str:
        return await render_template("dashboard.html")

    @blueprint.get("/s/<symbol>")
    async def chart(symbol: str) -> str | WerkzeugResponse:
        # A well-formed symbol that no provider knows has a page too: it says so by itself, and
        # goes on by itself should the symbol come.
        try:
            parsed = parse_symbol(symbol)
        except InvalidSymbol as error:
            raise NotFound(f"“{error.given}” is no symbol: {error.reason}.") from error
        if parsed != symbol:
            # One address per symbol; what the range is stays.
            query = request.query_string.decode("ascii", "replace")
            where = url_for("pages.chart", symbol=parsed)
            return redirect(f"{where}?{query}" if query else where, 308)
        row = tables.quotes.get(parsed)
        zone = zone_of(None if row is None else row.quote.exchange, parsed)
        return await render_template("symbol.html", symbol=parsed, zone=zone)

    return blueprint
