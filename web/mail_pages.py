"""`/mail/confirm` and `/mail/stop`: where the links in letters lead.

They need no login: the link itself says that its reader has the letter. To open one changes
nothing, since programs that look at mail open them all; a button does. Programs of mail that show
such a button of their own post to the link, without it (RFC 8058).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, render_template, request

from stockstream.alerts.mail.address_rows import ConfirmAddress, FetchAddress, StopAddress
from stockstream.alerts.mail.links import Link, MailLinks, Purpose
from stockstream.messages import RulesChanged
from web.asking import ask_database
from web.users.forms import Page, with_forms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from web.parts import Parts

_NEVER = "never"
_HEADERS = [("X-Robots-Tag", "noindex")]
_OVER = (
    "This link is not valid, or not any more",
    "A link to confirm an address holds for two days. The alerts of the dashboard ask for another.",
)
_TITLES = {
    Purpose.CONFIRM: "May alerts come by mail?",
    Purpose.STOP: "No more alerts by mail?",
}


def mail_pages(parts: Parts, links: MailLinks) -> Blueprint:
    """The routes."""
    blueprint = with_forms(Blueprint("mail", __name__, url_prefix="/mail"))
    database, clock = parts.database, parts.settings.wall_clock_ms

    async def confirm(link: Link) -> tuple[str, str]:
        if (await request.form).get("do") == _NEVER:
            stop_all = StopAddress(link.address_id, all_of_it=True)
            tell((await ask_database(database, stop_all)).value)
            return "Nobody will ask again", "StockStream mails nothing to this address any more."
        owner = (await ask_database(database, ConfirmAddress(link.address_id))).value
        if owner is None:
            return _OVER
        tell([owner])
        return "Confirmed", "What fires from now on is mailed there. Each mail can end it."

    async def stop(link: Link) -> tuple[str, str]:
        tell((await ask_database(database, StopAddress(link.address_id))).value)
        return "No more alerts", "None of these rules mails anything to this address any more."

    def tell(owners: list[str]) -> None:
        for owner in owners:  # their pages show how an address stands
            parts.alerts.cast(RulesChanged(owner=owner))

    def serve(purpose: Purpose, act: Callable[[Link], Awaitable[tuple[str, str]]]) -> None:
        async def show() -> Page:
            link = _link(purpose)
            found = link and (await ask_database(database, FetchAddress(link.address_id))).value
            if not found:
                return await _told(*_OVER, status=410)
            page = await render_template(
                "mail.html", title=_TITLES[purpose], purpose=purpose.value, address=found.address
            )
            return page, 200, _HEADERS

        async def do() -> Page:
            link = _link(purpose)
            if link is None:
                return await _told(*_OVER, status=410)
            return await _told(*await act(link))

        path = f"/{purpose.value}"
        blueprint.add_url_rule(path, f"show_{purpose.value}", show, methods=["GET"])
        blueprint.add_url_rule(path, purpose.value, do, methods=["POST"])

    def _link(purpose: Purpose) -> Link | None:
        link = links.read(request.args.get("token", ""), clock() // 1000)
        return link if link is not None and link.purpose is purpose else None

    serve(Purpose.CONFIRM, confirm)
    serve(Purpose.STOP, stop)
    return blueprint


async def _told(title: str, message: str, *, status: int = 200) -> Page:
    page = await render_template("mail.html", title=title, message=message)
    return page, status, _HEADERS
