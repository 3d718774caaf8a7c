"""`/api/v1/tokens`: one's own API tokens; `/api/v1/ws-tickets`: tickets for WebSockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint, request

from stockstream import paths
from stockstream.messages import CredentialsEnded
from stockstream.users.api_tokens import KEY_LENGTH, is_key, new_token
from stockstream.users.doorkeeper import tell
from stockstream.users.roles import Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.tickets import TICKET_SECONDS, CreateTicket, new_ticket
from stockstream.users.token_rows import (
    DAY_SECONDS,
    LONGEST_NAME,
    MOST_DAYS,
    USUAL_DAYS,
    CreateToken,
    ListTokens,
    RevokeToken,
    check_name,
)
from web.answers import json_answer
from web.api.bodies import BadJsonError, InvalidFieldError, NotJsonError, read_body
from web.api.openapi import documented
from web.api.rows import RowConflictError
from web.asking import DATABASE_ERRORS, ask_database
from web.audited import current_author
from web.callers import SAFE_METHODS
from web.parameters import Parameter
from web.users.access import ForeignPageError, TooManyChangesError, require_change_allowed
from web.users.gate import HOW_TO_LOG_IN, LoginNeededError, WrongCsrfError, allow
from web.users.principal import ACCOUNT_CHALLENGE, Kind, current_principal
from web.users.token_items import NoSuchTokenError, TokenItem

if TYPE_CHECKING:
    from quart import Response

    from stockstream.users.credentials import Credential
    from web.parameters import Asked
    from web.parts import Parts


def _read_key(text: str) -> str:
    if not is_key(text):
        raise NoSuchTokenError(f"{text[:32]!r} is no key of a token")
    return text


KEY = Parameter(
    "key",
    "The `key` of a token: the 8 characters after its `ss_`.",
    {"type": "string", "pattern": f"^[0-9A-Za-z]{{{KEY_LENGTH}}}$"},
    lambda given, _asked: _read_key(given[0]),
    place="path",
    required=True,
    error=NoSuchTokenError,
)
_CHANGES = (*DATABASE_ERRORS, WrongCsrfError, ForeignPageError, TooManyChangesError)
_Name = Annotated[
    str, Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"\S"})
]


class TokensAnswer(msgspec.Struct, frozen=True):
    """The tokens of the account, the newest first; those that ended, too, for a while."""

    tokens: list[TokenItem]


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST: what the token is for, what it allows, and after how many days it ends."""

    name: _Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]
    days: Annotated[float, Meta(gt=0, le=MOST_DAYS)] = USUAL_DAYS


class MadeToken(msgspec.Struct, frozen=True):
    """A token that was made. `secret` is the token itself: it is not told again."""

    secret: str
    token: TokenItem


class TicketAnswer(msgspec.Struct, frozen=True):
    """A ticket: `/ws?ticket=…` opens one WebSocket by it, within so many seconds."""

    ticket: str
    expires_in: int


def tokens_api(parts: Parts) -> Blueprint:
    """The routes. Tokens are looked after by a login: one that was stolen makes no other ones."""
    blueprint = Blueprint("tokens", __name__, url_prefix="/api/v1/tokens")
    database = parts.database

    @blueprint.before_request
    async def admit() -> None:
        _credential(Kind.SESSION)
        if request.method not in SAFE_METHODS:
            require_change_allowed()

    @blueprint.get("")
    @documented(TokensAnswer, errors=DATABASE_ERRORS, login=True)
    async def mine() -> Response:
        """The account's tokens."""
        query = ListTokens(_credential(Kind.SESSION).account_id)
        found = (await ask_database(database, query)).value
        return json_answer(TokensAnswer([TokenItem.of(token) for token in found]))

    @blueprint.post("")
    @documented(
        MadeToken,
        status=201,
        body=NewToken,
        errors=(*_CHANGES, BadJsonError, NotJsonError, InvalidFieldError, RowConflictError),
        login=True,
    )
    async def create() -> Response:
        """Make a token, which is told this once."""
        given, credential = await read_body(NewToken), _credential(Kind.SESSION)
        try:
            name = check_name(given.name)
        except ValueError as error:
            raise InvalidFieldError({"name": str(error)}) from error
        token = new_token()
        query = CreateToken(
            current_author(),
            credential.account_id,
            name,
            frozenset(given.scopes),
            given.days * DAY_SECONDS,
            token,
        )
        made = (await ask_database(database, query)).value
        if isinstance(made, RowRefusal):
            if made.field == "scopes":
                raise InvalidFieldError({"scopes": made.reason})
            raise RowConflictError(made.field or "account", made.reason)
        return json_answer(MadeToken(token.text, TokenItem.of(made)), 201)

    @blueprint.delete("/<key>")
    @documented(TokenItem, KEY, errors=_CHANGES, login=True)
    async def revoke(asked: Asked) -> Response:
        """Revoke a token, at once and on all nodes; WebSockets that it opened are closed."""
        account = _credential(Kind.SESSION).account_id
        query = RevokeToken(current_author(), asked[KEY], account)
        token = (await ask_database(database, query)).value
        if isinstance(token, RowRefusal):
            raise NoSuchTokenError(token.reason)
        await tell(parts.system.ref(paths.DOORKEEPER), CredentialsEnded((token.credential,)))
        return json_answer(TokenItem.of(token))

    return blueprint


def tickets_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("tickets", __name__, url_prefix="/api/v1/ws-tickets")

    @blueprint.post("")
    @documented(TicketAnswer, status=201, errors=(*DATABASE_ERRORS, WrongCsrfError), user=True)
    async def give() -> Response:
        """Get a ticket, for a WebSocket that can show neither a cookie nor a header.

        It is good once, for what opens the request that asked for it: a login or an API token.
        """
        credential = _credential(Kind.SESSION, Kind.TOKEN)
        ticket = new_ticket()
        await ask_database(parts.database, CreateTicket(ticket, credential.key))
        return json_answer(TicketAnswer(ticket, int(TICKET_SECONDS)), 201)

    return blueprint


def _credential(*kinds: Kind) -> Credential:
    """What lets the request at hand in, which is one of these kinds.

    Raises:
        LoginNeededError, or why it does not count: it shows none.
        WrongCsrfError, MissingScopeError: as `allow`; every role may see prices.
    """
    principal = current_principal()
    if principal.refusal is not None:
        raise principal.refusal
    if principal.credential is None or principal.kind not in kinds:
        raise LoginNeededError(HOW_TO_LOG_IN, www_authenticate=ACCOUNT_CHALLENGE)
    allow(Scope.PRICES_READ)
    return principal.credential
