"""Accounts for tests, on a real database."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from stockstream import paths
from stockstream.messages import AccountChanged, CredentialsChanged, CredentialsEnded
from stockstream.tables import Tables
from stockstream.users.accounts import Account, CreateAccount
from stockstream.users.doorkeeper import Doorkeeper, credential_of
from stockstream.users.operator_audit import Author
from stockstream.users.passwords import ArgonSettings
from stockstream.users.roles import Role
from stockstream.users.sessions import OpenSession, Session, SessionLimits, digest_of, new_token
from supervision import Actor, ChildSpec, Request, handles, supervisor
from tests.support.gateway import running_history

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.credential_keys import CredentialKey
    from stockstream.users.credentials import Credential, Held
    from supervision import ActorRef
    from tests.support.gateway import History

CHEAP = ArgonSettings(memory=8_192, time=1, parallelism=1)
"""A hash in milliseconds."""
AUTHOR = Author("tester", None, "command", "", "here")
LIMITS = SessionLimits(idle=3600.0, lifetime=86_400.0)


async def create(
    history: History, name: str, role: Role = Role.VIEWER, password_hash: str | None = "hash"
) -> Account:
    """A new account."""
    made = await history.ask(CreateAccount(AUTHOR, name, role, password_hash))
    assert isinstance(made, Account), made
    return made


async def log_in(
    history: History, account: Account, limits: SessionLimits = LIMITS
) -> tuple[bytes, Session]:
    """The digest of a new session's token, and the session."""
    digest = digest_of(new_token())
    query = OpenSession(digest, account.id, "password", "192.0.2.1", "tests", limits, AUTHOR)
    opened = await history.ask(query)
    assert opened is not None
    return digest, opened


async def give_token(
    history: History, account: Account, scopes: list[str], days: float = 1.0
) -> bytes:
    """The digest of a new API token."""
    digest = secrets.token_bytes(32)
    await history.select(
        "INSERT INTO user_tokens (key, digest, account_id, name, scopes, expires_at) "
        "VALUES ($1, $2, $3, 'program', $4, now() + make_interval(secs => $5)) RETURNING 1",
        digest.hex()[:8],
        digest,
        account.id,
        scopes,
        days * 86_400,
    )
    return digest


@dataclass(frozen=True, slots=True)
class Hold(Request[None]):
    """Have a socket be open by a credential, or by none any more."""

    number: int
    held: Held | None


@dataclass
class Told:
    """What the front end and the bus were told."""

    ended: list[CredentialKey] = field(default_factory=list)
    changed: list[CredentialKey] = field(default_factory=list)
    bus: list[CredentialsEnded | AccountChanged] = field(default_factory=list)


class _Web(Actor):
    """Takes the front end's place: it writes what sockets hold."""

    def __init__(self, tables: Tables, told: Told) -> None:
        self._tables = tables
        self._told = told

    @handles(Hold)
    def _on_hold(self, message: Hold) -> None:
        if message.held is None:
            self._tables.socket_credentials.delete(message.number)
        else:
            self._tables.socket_credentials.put(message.number, message.held)

    @handles(CredentialsEnded)
    def _on_ended(self, message: CredentialsEnded) -> None:
        self._told.ended += message.keys

    @handles(CredentialsChanged)
    def _on_changed(self, message: CredentialsChanged) -> None:
        self._told.changed += message.keys


class _Bus(Actor):
    """Takes the bus' place."""

    def __init__(self, told: Told) -> None:
        self._told = told

    @handles(CredentialsEnded)
    def _on_ended(self, message: CredentialsEnded) -> None:
        self._told.bus.append(message)

    @handles(AccountChanged)
    def _on_changed(self, message: AccountChanged) -> None:
        self._told.bus.append(message)


@dataclass
class Door:
    """A running doorkeeper on a real database, and what it told."""

    history: History
    tables: Tables
    told: Told

    @property
    def keeper(self) -> ActorRef:
        return self.history.system.ref(paths.DOORKEEPER)

    async def asked(self, digest: bytes) -> Credential | None:
        """Who comes with that digest, as a request finds out."""
        return await credential_of(self.keeper, self.tables, digest)

    async def hold(self, number: int, held: Held | None) -> None:
        await self.history.system.ref(paths.WEB).call(Hold(number, held))

    async def kill_keeper(self) -> None:
        """Kill it, and wait for its successor."""
        before = self.keeper.generation
        self.keeper.kill()
        await self.history.until(lambda: self.keeper.alive and self.keeper.generation != before)


@asynccontextmanager
async def running_doorkeeper(
    url: str, *, idle: float = LIMITS.idle, **settings: Any
) -> AsyncIterator[Door]:
    """A doorkeeper beside a gateway, with others in the place of the front end and the bus."""
    told = Told()
    made: list[Tables] = []

    def beside(statuses: Any) -> list[ChildSpec]:
        tables = Tables(database=statuses)
        made.append(tables)
        keeper = partial(Doorkeeper, idle, tables, in_cluster=True)
        generous = {"intensity": 1000, "period": 1.0}
        return [
            supervisor("users", [ChildSpec("doorkeeper", keeper)], **generous),
            supervisor("cluster", [ChildSpec("bus", partial(_Bus, told))], **generous),
            ChildSpec("web", partial(_Web, tables, told)),
        ]

    async with running_history(url, beside=beside, **settings) as history:
        await history.until_up()
        yield Door(history, made[0], told)
