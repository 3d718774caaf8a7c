"""The actor that asks the identity provider, and keeps what it says of itself.

An outage is an answer (`NoLogin`), never a crash. Who is logged in already needs no provider. What
is kept may be lost: the next login asks for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import structlog
import trio

from stockstream.times import now_ms
from stockstream.users.accounts import LONGEST_NAME
from stockstream.users.oidc.asking import (
    CodeRefused,
    ProviderAway,
    exchange,
    fetch_keys,
    fetch_metadata,
    opened_client,
)
from stockstream.users.oidc.id_token import BadToken, Expected, UnknownKey, check_id_token
from stockstream.users.oidc.keys import KEEP_SECONDS, Kept
from stockstream.users.oidc.messages import (
    Blame,
    ClientSecretChanged,
    FindLogin,
    FinishLogin,
    Identity,
    NoLogin,
)
from stockstream.users.oidc.metadata import ProviderMistake, authorization_url
from stockstream.users.oidc.roles import NoRole, name_of
from supervision import Actor, Caller, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx
    from pydantic import SecretStr
    from structlog.stdlib import BoundLogger

    from stockstream.users.oidc.keys import Keys
    from stockstream.users.oidc.messages import OidcSettings
    from stockstream.users.oidc.metadata import Metadata

T = TypeVar("T")
Q = TypeVar("Q")
R = TypeVar("R")

AT_ONCE = 8
"""Codes that are exchanged at a time. Whoever makes codes up has the provider asked by us: it is to
be no more than a few."""
MOST_UNDER_WAY = 64
FINISH_SECONDS = 12.0
"""For all that it takes to finish a login: at most four questions."""

_log: BoundLogger = structlog.get_logger("users.oidc")


class _OneAsks:
    """One asks for all who wait, also where it comes to nothing: a provider that is away would
    cost each of them its own wait, one after the other.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()
        self._failure: tuple[float, Exception] | None = None

    async def get(self, known: Callable[[], T | None], fetch: Callable[[], Awaitable[T]]) -> T:
        """What is known, else what `fetch` finds. Raises what that does."""
        began = trio.current_time()
        async with self._lock:
            found = known()
            if found is not None:
                return found
            if self._failure is not None and self._failure[0] > began:
                raise type(self._failure[1])(str(self._failure[1]))
            try:
                return await fetch()
            except (ProviderAway, ProviderMistake) as error:
                self._failure = trio.current_time(), error
                raise


class IdentityProvider(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        settings: OidcSettings,
        secret: SecretStr,
        *,
        wall_clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._wall_clock_ms = wall_clock_ms
        self._metadata: Metadata | None = None
        self._metadata_until = 0.0
        self._keys = Kept()
        self._one_asks = _OneAsks()
        self._places = trio.Semaphore(AT_ONCE)
        self._under_way = 0
        self._client: httpx.AsyncClient | None = None
        self._opened = trio.Event()

    async def init(self) -> None:
        """Open a client; nothing is asked before somebody logs in."""
        self.tasks.start_soon(self._hold_client)

    @replies_later(FindLogin)
    def _on_find(self, request: FindLogin, caller: Caller[str | NoLogin]) -> None:
        self._begin(self._find, request, caller)

    @replies_later(FinishLogin)
    def _on_finish(self, request: FinishLogin, caller: Caller[Identity | NoLogin]) -> None:
        self._begin(self._finish, request, caller)

    @handles(ClientSecretChanged)
    def _on_secret(self, message: ClientSecretChanged) -> None:
        self._secret = message.secret

    def _begin(
        self,
        task: Callable[[Q, Caller[R | NoLogin]], Awaitable[None]],
        request: Q,
        caller: Caller[R | NoLogin],
    ) -> None:
        """Do it, unless so many wait that none of them would be answered in time."""
        if self._under_way >= MOST_UNDER_WAY:
            caller.reply(NoLogin(Blame.AWAY, "too many logins wait for the provider"))
            return
        self._under_way += 1
        self.tasks.start_soon(self._run, task, request, caller)

    async def _run(
        self,
        task: Callable[[Q, Caller[R | NoLogin]], Awaitable[None]],
        request: Q,
        caller: Caller[R | NoLogin],
    ) -> None:
        try:
            await task(request, caller)
        finally:
            self._under_way -= 1

    async def _hold_client(self) -> None:
        async with opened_client(self._settings.issuer) as client:
            self._client = client
            self._opened.set()
            await trio.sleep_forever()

    async def _find(self, request: FindLogin, caller: Caller[str | NoLogin]) -> None:
        settings, begun = self._settings, request.begun
        try:
            metadata = await self._known_metadata()
        except (ProviderAway, ProviderMistake) as error:
            caller.reply(self._failed(error))
            return
        values = {"state": begun.state, "nonce": begun.nonce, "code_challenge": begun.challenge}
        caller.reply(
            authorization_url(
                metadata, settings.client_id, settings.scopes, request.redirect_uri, values
            )
        )

    async def _finish(self, request: FinishLogin, caller: Caller[Identity | NoLogin]) -> None:
        try:
            with trio.fail_after(FINISH_SECONDS):
                async with self._places:
                    claims = await self._claims(request)
            caller.reply(self._identity(claims))
        except trio.TooSlowError:
            away = ProviderAway(f"it takes longer than {FINISH_SECONDS:g} s")
            caller.reply(self._failed(away))
        except (ProviderAway, ProviderMistake, CodeRefused, BadToken, NoRole) as error:
            caller.reply(self._failed(error))

    def _identity(self, claims: Mapping[str, object]) -> Identity:
        subject = str(claims["sub"])
        role = self._settings.rules.role(claims)
        return Identity(
            self._settings.issuer, subject, name_of(claims, subject, LONGEST_NAME), role
        )

    async def _claims(self, request: FinishLogin) -> Mapping[str, object]:
        settings, metadata = self._settings, await self._known_metadata()
        told = metadata.authorization_response_iss_parameter_supported
        if request.issuer != settings.issuer and (told or request.issuer is not None):
            raise BadToken("another provider answers (RFC 9207)")
        form = {
            "code": request.code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.resumed.verifier,
        }
        client = await self._opened_client()
        credentials = settings.client_id, self._secret.get_secret_value()
        token = await exchange(client, metadata, credentials, form)
        expected = Expected(
            settings.issuer,
            settings.client_id,
            request.resumed.nonce,
            metadata.algorithms,
            self._wall_clock_ms() // 1000,
        )
        try:
            return check_id_token(token, await self._known_keys(metadata), expected)
        except UnknownKey:
            newer = await self._known_keys(metadata, newer=True)
            return check_id_token(token, newer, expected)

    async def _known_metadata(self) -> Metadata:
        def known() -> Metadata | None:
            fresh = trio.current_time() < self._metadata_until
            return self._metadata if fresh else None

        async def fetch() -> Metadata:
            client = await self._opened_client()
            self._metadata = await fetch_metadata(client, self._settings.issuer)
            self._metadata_until = trio.current_time() + KEEP_SECONDS
            return self._metadata

        return await self._one_asks.get(known, fetch)

    async def _known_keys(self, metadata: Metadata, *, newer: bool = False) -> Keys:
        """The provider's keys; `newer` ones, as far as it may be asked again."""
        kept = self._keys

        def known() -> Keys | None:
            now = trio.current_time()
            wanted = kept.may_refetch(now) if newer else not kept.fresh(now)
            return None if wanted else kept.keys

        async def fetch() -> Keys:
            kept.ask(trio.current_time())
            keys = await fetch_keys(await self._opened_client(), metadata)
            kept.take(keys, trio.current_time())
            return keys

        return await self._one_asks.get(known, fetch)

    async def _opened_client(self) -> httpx.AsyncClient:
        await self._opened.wait()
        assert self._client is not None  # noqa: S101 - it was opened
        return self._client

    def _failed(self, error: Exception) -> NoLogin:
        match error:
            case ProviderAway():
                blame = Blame.AWAY
            case ProviderMistake():
                blame = Blame.SETUP
            case NoRole():
                blame = Blame.ROLE
            case _:
                blame = Blame.LOGIN
        _log.warning(
            "no login by the identity provider",
            issuer=self._settings.issuer,
            blame=blame.value,
            reason=str(error),
        )
        return NoLogin(blame, str(error))
