"""The actor that asks an identity provider, in a tree of its own, and the provider that it asks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio
from pydantic import SecretStr

from stockstream import paths
from stockstream.users.oidc.attempts import Attempts
from stockstream.users.oidc.identity_provider import IdentityProvider
from stockstream.users.oidc.messages import FindLogin, FinishLogin, OidcSettings
from stockstream.users.oidc.roles import RoleRules
from supervision import ChildSpec, System, supervisor
from tests.support.identity_provider import CLIENT, SECRET, Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.users.oidc.messages import Identity, NoLogin

HERE = "http://localhost:4000/login/oidc/return"
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass
class World:
    system: System
    provider: Provider
    attempts: Attempts
    cookie: str | None = None

    async def find(self) -> str | NoLogin:
        begun = self.attempts.begin(self.cookie, HERE, "/")
        self.cookie = begun.cookie
        return await self.system.ref(paths.IDENTITY_PROVIDER).call(FindLogin(begun, HERE))

    async def finish(self, came: dict[str, str], **other: str) -> Identity | NoLogin:
        resumed = self.attempts.resume(self.cookie, came["state"], HERE)
        request = FinishLogin(came["code"], resumed, HERE, other.get("iss"))
        return await self.system.ref(paths.IDENTITY_PROVIDER).call(request, timeout=15)

    async def log_in(self, code: str = "code-1") -> Identity | NoLogin:
        address = await self.find()
        assert isinstance(address, str), address
        return await self.finish(self.provider.log_in(address, code=code))


@asynccontextmanager
async def world(rules: RoleRules | None = None, secret: str = SECRET) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        provider = Provider()
        await provider.start(nursery)
        settings = OidcSettings(
            issuer=provider.url,
            client_id=CLIENT,
            scopes="openid profile",
            name="Login",
            rules=rules or RoleRules(),
        )
        actor = partial(IdentityProvider, settings, SecretStr(secret))
        tree = supervisor(
            "root",
            [supervisor("users", [ChildSpec("identity_provider", actor)], intensity=5, period=1)],
            intensity=5,
            period=1,
        )
        system = System()
        up = trio.Event()
        nursery.start_soon(partial(system.run, tree, on_start=lambda _: up.set()))
        await up.wait()
        yield World(system, provider, Attempts(["a secret of the tests"]))
        nursery.cancel_scope.cancel()
