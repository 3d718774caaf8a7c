"""What blueprints with forms have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quart import Blueprint
    from werkzeug.wrappers import Response as WerkzeugResponse

Page = tuple[str, int, list[tuple[str, str]]]
"""A page with a status and headers."""


def with_forms(blueprint: Blueprint) -> Blueprint:
    """The same blueprint, whose pages may send forms to this host."""

    @blueprint.after_request
    async def tell_own_forms(response: WerkzeugResponse) -> WerkzeugResponse:
        # Under `no-referrer`, which other pages have, a browser sends `Origin: null` with a form.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return blueprint
