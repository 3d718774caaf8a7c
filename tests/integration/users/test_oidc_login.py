"""Logging in by an identity provider: the whole way of a browser, and who comes no further."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import trio
from pydantic import SecretStr

from stockstream import paths
from stockstream.database.query import ask
from stockstream.environment import Configuration
from stockstream.users.accounts import ListAccounts, SetDisabled
from stockstream.users.oidc.roles import read_roles
from stockstream.users.roles import Role
from tests.support.identity_provider import CLIENT, SECRET, Provider
from tests.support.mock_provider import running_mock_provider
from tests.support.people import BY, CHEAP_SETTINGS, add_account, browser, log_in
from tests.support.tree import running_tree
from web.users.oidc import LONGEST_ONWARD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from stockstream.users.accounts import Account
    from tests.support.tree import Tree

ROLES = {"oidc_roles": read_roles("sre=operator, leads=admin")}


@dataclass
class World:
    tree: Tree
    provider: Provider
    made: int = 0

    async def leave(self, client: httpx.AsyncClient, onward: str | None = None) -> str:
        """Follow the link of the login page; where the provider is asked."""
        query = {} if onward is None else {"next": onward}
        answer = await client.get("/login/oidc", params=query)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def log_in(self, client: httpx.AsyncClient, onward: str | None = None) -> httpx.Response:
        address = await self.leave(client, onward)
        self.made += 1
        came = self.provider.log_in(address, code=f"code-{self.made}")
        return await client.get("/login/oidc/return", params=came)

    async def accounts(self) -> dict[str, Account]:
        found = await ask(self.tree.system.ref("database/gateway"), ListAccounts())
        return {account.name: account for account in found}


@asynccontextmanager
async def world(database_url: str, **settings: object) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        provider = Provider()
        await provider.start(nursery)
        chosen: Mapping[str, object] = {
            "database_url": database_url,
            "dashboard": "login",
            "oidc_issuer": provider.url,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
            "oidc_name": "Example",
            **CHEAP_SETTINGS,
            **settings,
        }
        async with running_tree(**chosen) as tree:
            await add_account(tree, "Ann")  # the database is there then
            yield World(tree, provider)
        nursery.cancel_scope.cancel()


async def role_of(client: httpx.AsyncClient) -> str | None:
    """What the session may do, by what it is shown."""
    overview = await client.get("/admin/api/overview")
    if overview.status_code != 200:
        return "viewer" if (await client.get("/api/v1/quotes")).status_code == 200 else None
    return "admin" if (await client.get("/admin/users")).status_code == 200 else "operator"


async def test_a_person_comes_in_by_the_provider_and_is_who_it_says(database_url: str) -> None:
    """The link, the way there and back, an account of its own, a role that follows the claims."""
    async with world(database_url, **ROLES) as it, browser(it.tree) as client:
        form = await client.get("/login?next=/s/AAPL")
        assert "Log in by Example" in form.text
        assert 'href="/login/oidc?next=%2Fs%2FAAPL"' in form.text
        it.provider.claims = {"preferred_username": "Ann", "groups": ["sre"]}
        came = await it.log_in(client, "/s/AAPL?range=1d")
        assert (came.status_code, came.headers["location"]) == (303, "/s/AAPL?range=1d")
        assert (await client.get("/s/AAPL")).status_code == 200
        assert await role_of(client) == "operator"
        assert "Change the password" not in (await client.get("/account")).text
        accounts = await it.accounts()
        # Who is called like somebody here is somebody else.
        assert accounts["Ann"].subject is None
        assert accounts["Ann (2)"].subject == "u-1"
        # Another name, another group, another browser: the same person.
        async with browser(it.tree) as other:
            it.provider.claims = {"preferred_username": "Root", "groups": ["leads"]}
            assert (await it.log_in(other)).status_code == 303
            assert await role_of(other) == "admin"
            assert (await it.accounts()).keys() == accounts.keys()
            assert await role_of(client) == "admin"  # at once, in the session of before
            it.provider.claims = {}
            assert (await it.log_in(other)).status_code == 303
            assert (await role_of(other), await role_of(client)) == ("viewer", "viewer")


async def test_who_is_to_stay_out_stays_out(database_url: str) -> None:
    """Forged, stolen, repeated and disabled; nobody gets a session, and few things are asked."""
    async with world(database_url) as it, browser(it.tree) as client, browser(it.tree) as evil:
        address = await it.leave(client)
        came = it.provider.log_in(address)
        # A link that an attacker's own login ends in, opened in another browser.
        refused = await evil.get("/login/oidc/return", params=came)
        assert (refused.status_code, "no login under way" in refused.text) == (400, True)
        await it.leave(evil)
        refused = await evil.get("/login/oidc/return", params=came)
        assert (refused.status_code, "another browser" in refused.text) == (400, True)
        # A page that has a browser come back without having left.
        for query in ({"code": "c"}, {"code": "c", "state": "x"}, {"state": came["state"]}, {}):
            assert (await evil.get("/login/oidc/return", params=query)).status_code == 400
        # The provider says no, in words that a link may have made up.
        said = {"state": came["state"], "error": "<b>denied", "error_description": "call 555"}
        refused = await client.get("/login/oidc/return", params=said)
        assert (refused.status_code, "&lt;b&gt;denied" in refused.text) == (400, True)
        assert "555" not in refused.text
        refused = await client.get("/login/oidc/return", params={"error": "made up"})
        assert (refused.status_code, "made up" in refused.text) == (400, False)
        assert it.provider.count("/token") == 0
        assert (await client.get("/login/oidc/return", params=came)).status_code == 303
        # The way back once more: the cookie is gone, and the code was used.
        again = await client.get("/login/oidc/return", params=came)
        assert (again.status_code, "logged in already" in again.text) == (400, True)
        assert await role_of(evil) is None
        (account,) = [one for one in (await it.accounts()).values() if one.subject]
        assert account.role is Role.VIEWER
        database = it.tree.system.ref("database/gateway")
        await ask(database, SetDisabled(BY, account.id, disabled=True))
        refused = await it.log_in(evil)
        assert (refused.status_code, "account is disabled" in refused.text) == (403, True)
        assert await role_of(evil) is None


async def test_no_way_leads_to_another_site(database_url: str) -> None:
    """Neither by `next` nor by what came back, nor from a host that is not ours."""
    async with world(database_url) as it, browser(it.tree) as client:
        for onward in ("https://evil.example/", "//evil.example", "/\\evil.example", "x" * 99):
            assert (await it.log_in(client, onward)).headers["location"] == "/"
        long = f"/s/AAPL?x={'y' * LONGEST_ONWARD}"
        assert (await it.log_in(client, long)).headers["location"] == "/"
        wrong = await client.get("/login/oidc", headers={"Host": "evil.example"})
        assert wrong.status_code == 421


async def test_behind_a_proxy_the_address_of_return_is_the_browsers(database_url: str) -> None:
    """And the cookie is one that no neighbouring host can set."""
    proxied = {"trusted_proxies": "127.0.0.1", "allowed_hosts": "prices.example"}
    async with world(database_url, **proxied) as it, browser(it.tree) as client:
        by_proxy = {
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Host": "prices.example",
            "X-Forwarded-Proto": "https",
        }
        client.headers.update(by_proxy)
        answer = await client.get("/login/oidc")
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["redirect_uri"] == ["https://prices.example/login/oidc/return"]
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-stockstream_oidc_")
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"):
            assert part in cookie
        assert "Domain" not in cookie


async def test_below_a_path_all_of_it_is_below_that_path(database_url: str) -> None:
    """The link, the address of return, the cookie and where it leads."""
    async with world(database_url, base_path="/stocks") as it, browser(it.tree) as client:
        assert 'href="/stocks/login/oidc"' in (await client.get("/stocks/login")).text
        answer = await client.get("/stocks/login/oidc")
        assert "Path=/stocks;" in answer.headers["set-cookie"]
        address = answer.headers["location"]
        back = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        assert back == f"{it.tree.url}/stocks/login/oidc/return"
        came = await client.get(back, params=it.provider.log_in(address))
        assert (came.status_code, came.headers["location"]) == (303, "/stocks/")
        assert (await client.get("/stocks/")).status_code == 200


async def test_while_the_provider_is_away_sessions_go_on_and_passwords_are_taken(
    database_url: str,
) -> None:
    """One clear page, with the other way in."""
    async with world(database_url) as it, browser(it.tree) as client, browser(it.tree) as other:
        assert (await it.log_in(client)).status_code == 303
        address = await it.leave(other)
        came = it.provider.log_in(address, code="late")
        it.provider.stop()
        away = await other.get("/login/oidc/return", params=came)
        assert (away.status_code, away.headers["retry-after"]) == (503, "10")
        assert "Example cannot be asked now" in away.text
        assert "127.0.0.1" not in away.text
        assert 'href="/login?next=/"' in away.text
        assert await role_of(client) == "viewer"
        assert (await log_in(other, "Ann")).status_code == 303


async def test_a_changed_client_secret_is_used_from_the_next_login_on(database_url: str) -> None:
    """By SIGHUP; before, an operator finds in the log what a person is not told."""
    async with world(database_url, oidc_client_secret="old") as it, browser(it.tree) as client:
        refused = await it.log_in(client)
        assert (refused.status_code, "invalid_client" in refused.text) == (503, False)
        assert "do not understand each other" in refused.text
        current = it.tree.current
        new = current.settings.model_copy(update={"oidc_client_secret": SecretStr(SECRET)})
        current.read = lambda: Configuration(new, {})
        current.ask(it.tree.system)
        await it.tree.until(lambda: current.answered == current.asked)
        assert (await it.log_in(client)).status_code == 303
        assert it.tree.system.ref(paths.IDENTITY_PROVIDER).kill()  # its next life has it, too
        assert (await it.log_in(client)).status_code == 303


async def test_what_the_browser_made_before_comes_along(database_url: str) -> None:
    """As with a password, and the person is told on the way."""
    async with world(database_url, dashboard="open") as it, browser(it.tree) as client:
        await client.get("/")
        made = await client.post("/api/v1/watchlists", json={"name": "Cars", "symbols": []})
        assert made.status_code == 201
        came = await it.log_in(client, "/docs")
        told = await client.get(came.headers["location"])
        assert told.url.path == "/account/moved"
        assert ("1 list," in told.text, 'href="/docs"' in told.text) == (True, True)
        mine = (await client.get("/api/v1/watchlists")).json()["watchlists"]
        assert [one["name"] for one in mine] == ["Cars"]


async def test_codes_that_somebody_makes_up_are_few(database_url: str) -> None:
    """The provider is asked by us: ten wrong ones from an address, and then it waits."""
    async with world(database_url) as it, browser(it.tree) as client:
        address = await it.leave(client)
        state = it.provider.log_in(address)["state"]
        statuses = [
            (await client.get("/login/oidc/return", params={"state": state, "code": "x"}))
            for _ in range(12)
        ]
        assert [one.status_code for one in statuses] == [400] * 10 + [429] * 2
        assert int(statuses[-1].headers["retry-after"]) > 0
        assert "Too many logins from your address failed" in statuses[-1].text
        assert it.provider.count("/token") == 10


async def test_another_providers_software_is_understood(database_url: str) -> None:
    """oidc-provider-mock, which is none of ours, with roles where Keycloak has them."""
    person = {"sub": "u-9", "preferred_username": "kim", "realm_access": {"roles": ["leads"]}}
    with running_mock_provider(person) as issuer:
        settings = {"oidc_issuer": issuer, "oidc_role_claim": "realm_access.roles", **ROLES}
        async with world(database_url, **settings) as it, browser(it.tree) as client:
            address = await it.leave(client)
            back = await client.post(address, data={"sub": "u-9"})
            came = await client.get(back.headers["location"])
            assert came.status_code == 303, came.text
            assert await role_of(client) == "admin"
            account = (await it.accounts())["kim"]
            assert (account.issuer, account.subject) == (issuer, "u-9")
