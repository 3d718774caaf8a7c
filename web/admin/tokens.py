"""`/admin/api/tokens`: everybody's API tokens, for those who look after accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.users.api_tokens import is_key
from stockstream.users.roles import Scope
from stockstream.users.rows import RowRefusal
from stockstream.users.token_rows import ApiToken, ListTokens, RevokeToken
from web.answers import json_answer
from web.asking import ask_database
from web.audited import current_author
from web.parameters import read_query, whole
from web.users.entering import end
from web.users.gate import require
from web.users.token_items import NoSuchTokenError, TokenItem

if TYPE_CHECKING:
    from quart import Response

    from web.parts import Parts

ACCOUNT = whole("account", "Only those of this account.", least=1, most=2**63 - 1)


class OwnedToken(msgspec.Struct, frozen=True):
    """A token, and whose it is."""

    account: int
    account_name: str
    role: str
    token: TokenItem

    @classmethod
    def of(cls, token: ApiToken) -> OwnedToken:
        """As the API tells of it."""
        return cls(token.account_id, token.account_name, token.role.value, TokenItem.of(token))


class OwnedTokens(msgspec.Struct, frozen=True):
    """Tokens that can be used, the newest first."""

    tokens: list[OwnedToken]


def people_tokens_api(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("people_tokens_api", __name__, url_prefix="/admin/api/tokens")
    blueprint.before_request(require(Scope.USERS_WRITE))

    @blueprint.get("")
    async def listed() -> Response:
        query = ListTokens(read_query(ACCOUNT)[ACCOUNT], living=True)
        found = (await ask_database(parts.database, query)).value
        return json_answer(OwnedTokens([OwnedToken.of(token) for token in found]))

    @blueprint.delete("/<key>")
    async def revoke(key: str) -> Response:
        if not is_key(key):
            raise NoSuchTokenError(f"{key[:32]!r} is no key of a token")
        token = (await ask_database(parts.database, RevokeToken(current_author(), key))).value
        if isinstance(token, RowRefusal):
            raise NoSuchTokenError(token.reason)
        await end(parts, (token.credential,))
        return json_answer(OwnedToken.of(token))

    return blueprint
