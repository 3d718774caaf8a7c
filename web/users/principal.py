"""The principal of a request: who it is of, and what they may do. Read once, after the caller.

What a request shows counts in this order: an API token or the admin token in `Authorization:
Bearer`, the cookie of an operator who logged in with the admin token, that of an account's session,
that of a browser. A token of another scheme is nobody's, and a proxy may have added it. What is
shown and does not count is told only where it would have been needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, cast

from quart import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, HTTPException, Unauthorized

from stockstream import paths
from stockstream.database.query import DatabaseError, ask
from stockstream.times import Moment
from stockstream.users.accounts import owner_of
from stockstream.users.api_tokens import key_of, looks_like_token
from stockstream.users.doorkeeper import credentials_of, known
from stockstream.users.roles import Scope
from stockstream.users.sessions import digest_of
from stockstream.users.tickets import TICKET_LENGTH, TakeTicket
from web.asking import UnavailableError
from web.cookies import read_cookies
from web.request_caller import current_caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Quart
    from werkzeug.datastructures import Headers

    from stockstream.tables import Tables
    from stockstream.users.credentials import Credential
    from supervision import System
    from web.callers import Caller
    from web.parts import WebSettings

PUBLIC = frozenset({Scope.PRICES_READ, Scope.HISTORY_READ})
"""What anybody may where the dashboard is open."""
EVERYBODY = PUBLIC | {Scope.ALERTS_WRITE}
"""The same, with lists and alerts: those of their own browser."""
BREAK_GLASS = frozenset(Scope) - {Scope.LOAD}
"""What the admin token is for on this machine: all, whatever state the accounts are in."""
BREAK_GLASS_ELSEWHERE = frozenset({Scope.METRICS_READ})
"""What it is for from other machines: a Prometheus shows it."""
NOBODYS = frozenset({"static", "health.live", "health.ready", "health.new_clients"})
"""Endpoints that answer everybody the same, and do not ask who it is."""
MOST_COOKIES = 4
"""Sessions of one request that are looked up. A browser has one; an odd one has a few."""
TOKEN_REALM = "StockStream API"  # noqa: S105 - no secret

ACCOUNT_CHALLENGE = WWWAuthenticate("cookie", {"realm": "StockStream accounts"})


class Kind(StrEnum):
    """What a request has shown."""

    ANONYMOUS = "anonymous"
    BROWSER = "browser"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - no secret
    TICKET = "ticket"
    BREAK_GLASS = "break_glass"


class LoginEndedError(Unauthorized):
    """Its session has ended: logged out, too long unused, or ended by somebody who may."""

    word: ClassVar[str] = "login_ended"


class PasswordChangeNeededError(Forbidden):
    """The account has to change its password before anything else."""

    word: ClassVar[str] = "password_change_needed"


class UnknownTokenError(Unauthorized):
    """The API token is not known, has expired or was revoked."""

    word: ClassVar[str] = "unknown_token"


class UnknownTicketError(Unauthorized):
    """The ticket is not known, was used before, or came too late."""

    word: ClassVar[str] = "unknown_ticket"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is of. `name` is for the audit; rows are those of `owner`, if there is one.

    `csrf` is what a page of the same login sends with a change; None where no cookie logged it in.
    `refusal` says why what it has shown does not count. `digest` is that of its `credential`.
    """

    kind: Kind
    name: str
    scopes: frozenset[Scope]
    owner: str | None = None
    csrf: str | None = None
    refusal: HTTPException | None = None
    credential: Credential | None = None
    digest: bytes = b""

    @property
    def account_id(self) -> int | None:
        """The number of its account."""
        return None if self.credential is None else self.credential.account_id


class Principals:
    """Reads them, of requests and of handshakes."""

    def __init__(self, settings: WebSettings, tables: Tables, system: System) -> None:
        self._users, self._admin = settings.users, settings.admin
        self._cookies = settings.session_cookies
        self._tables = tables
        self._doorkeeper = system.ref(paths.DOORKEEPER)
        self._database = system.ref(paths.DATABASE)
        closed = frozenset[Scope]()
        self._public = closed if settings.login_needed else PUBLIC
        self._everybody = closed if settings.login_needed else EVERYBODY

    async def of(self, headers: Headers, caller: Caller) -> Principal:
        """Who sent these headers."""
        cookies = read_cookies(headers)
        given = bearer_token(headers.get("authorization", ""))
        browser = self._users.user_of(cookies)
        if given is not None and looks_like_token(given):
            if key_of(given) is None:  # mistyped: nobody needs to be asked
                return Principal(Kind.TOKEN, "unknown", self._public, refusal=_unknown())
            return await self._shown(Kind.TOKEN, (digest_of(given),))
        if given is not None and self._admin.check_token.knows(given):
            scopes = BREAK_GLASS if caller.local else BREAK_GLASS_ELSEWHERE
            return Principal(Kind.BREAK_GLASS, "token", self._everybody | scopes, browser)
        if given is None and caller.local and (found := self._admin.found(cookies)) is not None:
            login, _ = found
            csrf = self._admin.csrf_token(login)
            name = f"session {login.id}"
            return Principal(Kind.BREAK_GLASS, name, EVERYBODY | BREAK_GLASS, browser, csrf)
        tokens = tuple(islice(self._cookies.tokens(cookies, caller), MOST_COOKIES))
        if tokens:
            return await self._shown(Kind.SESSION, [digest_of(token) for token in tokens])
        if browser is not None:
            return Principal(Kind.BROWSER, f"browser {browser}", self._everybody, browser)
        return Principal(Kind.ANONYMOUS, "anonymous", self._everybody)

    def may_load(self, headers: Headers) -> bool:
        """Whether these show a token with the scope `load` that was let in of late: by memory
        alone, for limits that come before anybody is asked.
        """
        given = bearer_token(headers.get("authorization", ""))
        if given is None or key_of(given) is None:
            return False
        row = self._tables.credentials.get(digest_of(given))
        if row is None or row.credential.must_change or Moment.now() >= row.ends:
            return False
        return Scope.LOAD in row.credential.scopes

    async def of_ticket(self, ticket: str) -> Principal:
        """Who was given this ticket, which is used up by that."""
        behind = None
        try:
            if len(ticket) == TICKET_LENGTH:
                behind = await ask(self._database, TakeTicket(ticket))
        except DatabaseError as error:
            return self._unconfirmed(Kind.TICKET, error)
        if behind is None:
            why = "this ticket is not known, was used, or came too late; get another one"
            return Principal(Kind.TICKET, "ended", self._public, refusal=UnknownTicketError(why))
        return await self._shown(Kind(behind.kind), (behind.digest,))

    async def _shown(self, kind: Kind, digests: Sequence[bytes]) -> Principal:
        """Of the first of these secrets that is one."""
        first = known(self._tables, digests[0], Moment.now())
        if first is not None and first.kind == kind.value:
            return self._of_account(kind, digests[0], first)
        try:
            found = await credentials_of(self._doorkeeper, self._tables, frozenset(digests))
        except DatabaseError as error:
            return self._unconfirmed(kind, error)
        for digest in digests:
            if digest in found and found[digest].kind == kind.value:
                return self._of_account(kind, digest, found[digest])
        refusal: HTTPException = _ended() if kind is Kind.SESSION else _unknown()
        return Principal(kind, "ended", self._public, refusal=refusal)

    def _unconfirmed(self, kind: Kind, error: DatabaseError) -> Principal:
        why = f"nobody can say who this is now: {error}"
        refusal = UnavailableError(why, retry_after=1)
        return Principal(kind, "unconfirmed", self._public, refusal=refusal)

    def _of_account(self, kind: Kind, digest: bytes, credential: Credential) -> Principal:
        name, owner = credential.account_name, owner_of(credential.account_id)
        csrf = self._cookies.csrf_of(str(credential.key)) if kind is Kind.SESSION else None
        # Whoever may give tokens without limits is not without limits in their own browser.
        given = credential.scopes - {Scope.LOAD} if kind is Kind.SESSION else credential.scopes
        scopes, refusal = self._public | given, None
        if credential.must_change:
            scopes, refusal = self._public, PasswordChangeNeededError("change the password first")
        return Principal(kind, name, scopes, owner, csrf, refusal, credential, digest)


def install(app: Quart, principals: Principals) -> None:
    """Have each request of this app read."""

    @app.before_request
    async def read() -> None:
        if request.endpoint not in NOBODYS:
            g.principal = await principals.of(request.headers, current_caller())


def current_principal() -> Principal:
    """Who the request at hand is of."""
    return cast("Principal", g.principal)


def person() -> str | None:
    """The name of who has logged in, for pages; None for others, and before anybody looked."""
    principal: Principal | None = g.get("principal")
    if principal is None or principal.kind is not Kind.SESSION or principal.credential is None:
        return None
    return principal.name


def may(scope: str) -> bool:
    """Whether the request's principal has a scope, for pages: what they may not do is not shown."""
    principal: Principal | None = g.get("principal")
    return principal is not None and Scope(scope) in principal.scopes


def bearer_token(header: str) -> str | None:
    """The token in an `Authorization` header; None when that is of another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _ended() -> LoginEndedError:
    why = "the login has ended; log in again"
    return LoginEndedError(why, www_authenticate=ACCOUNT_CHALLENGE)


def _unknown() -> UnknownTokenError:
    how = WWWAuthenticate("bearer", {"realm": TOKEN_REALM, "error": "invalid_token"})
    why = "this API token is not known here, has expired or was revoked"
    return UnknownTokenError(why, www_authenticate=how)
