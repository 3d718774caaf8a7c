"""`/api/v1/alerts/mail`: the addresses that a user's alerts are mailed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from quart import Blueprint, Response

from stockstream.alerts.mail.address_rows import (
    MOST_ADDRESSES,
    AddressState,
    AskAddress,
    FetchAddresses,
    ForgetAddress,
    MailAddress,
)
from stockstream.alerts.mail.addresses import LONGEST_ADDRESS, WrongAddress, read_address
from stockstream.quotes import iso_utc
from web.answers import json_answer
from web.api.bodies import InvalidFieldError, read_body
from web.api.errors import MOVE_ERRORS, NEW_ERRORS, READ_ERRORS
from web.api.openapi import documented
from web.api.rows import ROW, RowConflictError, ask_row
from web.asking import ask_database
from web.users.access import admit_user, current_user, require_new_row_allowed

if TYPE_CHECKING:
    from web.parameters import Asked
    from web.parts import Parts

NO_MAIL = "this server sends no mail: its operator has not set SMTP_URL"


class AddressItem(msgspec.Struct, frozen=True):
    """An address; alerts go there once it is `confirmed`, and no more once it is `stopped`. It is
    so `since` that time; of one that is `asked`, that is the last question.
    """

    id: int
    address: str
    state: AddressState
    since: str


class AddressesAnswer(msgspec.Struct, frozen=True):
    """The user's addresses; `enabled` tells whether this server sends mail at all."""

    enabled: bool
    addresses: list[AddressItem]
    most: int = MOST_ADDRESSES


class AddressGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST."""

    address: Annotated[
        str, msgspec.Meta(extra_json_schema={"format": "email", "maxLength": LONGEST_ADDRESS})
    ]


def mail_api(parts: Parts) -> Blueprint:
    """The routes. Each needs the user's cookie."""
    blueprint = Blueprint("mail_addresses", __name__, url_prefix="/api/v1/alerts/mail")
    database, enabled = parts.database, parts.settings.mail_links is not None

    blueprint.before_request(admit_user)

    @blueprint.get("")
    @documented(AddressesAnswer, errors=READ_ERRORS, user=True)
    async def addresses() -> Response:
        """The user's addresses, and how they stand."""
        found = (await ask_database(database, FetchAddresses(current_user()))).value
        return json_answer(AddressesAnswer(enabled, [_item(address) for address in found]))

    @blueprint.post("")
    @documented(AddressItem, body=AddressGiven, errors=NEW_ERRORS, user=True)
    async def ask() -> Response:
        """Have an address asked whether alerts may come; it has to confirm by a link.

        One that has not confirmed is asked again, three times a day at most.
        """
        given = await read_body(AddressGiven)
        try:
            address = read_address(given.address)
        except WrongAddress as error:
            raise InvalidFieldError({"address": str(error)}) from error
        if not enabled:
            raise RowConflictError("address", NO_MAIL)
        require_new_row_allowed()
        asked = await ask_row(database, AskAddress(current_user(), address))
        return json_answer(_item(asked))

    @blueprint.delete("/<row:number>")
    @documented(None, ROW, status=204, errors=MOVE_ERRORS, user=True)
    async def forget(asked: Asked) -> Response:
        """Mail nothing there any more; rules that name it stay, and mail nothing."""
        await ask_row(database, ForgetAddress(current_user(), asked[ROW]))
        return Response(b"", 204)  # without a body Quart iterates one, on asyncio

    return blueprint


def _item(address: MailAddress) -> AddressItem:
    return AddressItem(address.id, address.address, address.state, iso_utc(address.since))
