"""API tokens and tickets as programs use them: over HTTP and WebSockets of a running tree."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream import paths
from stockstream.database.query import ask
from stockstream.users.api_tokens import key_of, new_token
from stockstream.users.operator_audit import FetchEntries, StoredEntry
from stockstream.users.roles import Role
from tests.support.client import connected
from tests.support.commands import run_command
from tests.support.people import CHEAP_SETTINGS, add_account, browser, csrf_of, log_in
from tests.support.tree import running_tree
from web.live.credentials import CODE_ENDED

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.commands import Ran
    from tests.support.tree import Tree

PATH, PAGE, PEOPLES = "/api/v1/tokens", "/account", "/admin/api/tokens"
PROXIED = {"X-Forwarded-For": "203.0.113.7"}
"""As a proxy on this machine hands on what another machine has sent."""


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def make(client: httpx.AsyncClient, *scopes: str) -> str:
    """A token of who has logged in there."""
    answer = await client.post(PATH, json={"name": "script", "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def program(tree: Tree, token: str, **headers: str) -> httpx.AsyncClient:
    """A program with a token, at another machine."""
    shown = {"Authorization": f"Bearer {token}", **PROXIED, **headers}
    return httpx.AsyncClient(base_url=tree.url, headers=shown, timeout=20)


async def refused(tree: Tree, ticket: str) -> tuple[int, str]:
    """How a handshake with a ticket is answered that opens no socket."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        answer = await client.get("/ws", params={"ticket": ticket}, headers=headers)
    return answer.status_code, code_of(answer)


async def watch(tree: Tree, folder: Path, **environment: str) -> Ran:
    """`stockstream watch` of one price."""
    words = ["watch", "AAPL", "--json", "--count", "1", "--url", tree.url]
    return await run_command(words, {"PATH": os.environ["PATH"], **environment}, folder)


async def test_a_token_opens_what_it_names_and_no_more(
    database_url: str, nursery: trio.Nursery, tmp_path: Path
) -> None:
    """From any address, until it is revoked: then its socket is closed, at once."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as ada, browser(tree) as bob:
        for name, role, client in (("Ada", Role.OPERATOR, ada), ("Bob", Role.VIEWER, bob)):
            await add_account(tree, name, role)
            await log_in(client, name)
        scraper = await make(ada, "metrics:read")
        reader = await make(ada, "prices:read")
        async with program(tree, scraper) as scrapes, program(tree, reader) as reads:
            assert (await scrapes.get("/metrics")).status_code == 200
            refused = await scrapes.get("/api/v1/quotes")
            assert (refused.status_code, code_of(refused)) == (403, "missing_scope")
            assert (await reads.get("/api/v1/quotes")).status_code == 200
            assert (await reads.get("/metrics")).status_code == 403
            # A stolen one makes no other ones, and is asked for in no address.
            for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/00000000")):
                answer = await reads.request(method, path)
                assert (answer.status_code, code_of(answer)) == (401, "login_needed")
            async with httpx.AsyncClient(base_url=tree.url, headers=PROXIED) as nobody:
                answer = await nobody.get("/api/v1/quotes", params={"access_token": reader})
                assert answer.status_code == 401

        listed = (await ada.get(PATH)).json()["tokens"]
        assert [one["scopes"] for one in listed] == [["prices:read"], ["metrics:read"]]
        assert reader not in str(listed)
        with trio.fail_after(20):
            while (await ada.get(PATH)).json()["tokens"][0]["used_at"] is None:  # noqa: ASYNC110 - the database tells nobody
                await trio.sleep(0.02)
        watched = await watch(tree, tmp_path, STOCKSTREAM_TOKEN=reader)
        assert watched.returncode == 0, watched.stderr
        assert b'"price"' in watched.stdout
        for shown, why in (({}, b"log in"), ({"STOCKSTREAM_TOKEN": scraper}, b"prices:read")):
            watched = await watch(tree, tmp_path, **shown)
            assert watched.returncode == 1
            assert why in watched.stdout
            assert b"STOCKSTREAM_TOKEN" in watched.stdout
        bearer = [("Authorization", f"Bearer {reader}")]
        async with connected(tree.websocket_url, nursery, bearer) as socket:
            await socket.message("welcome")
            key = key_of(reader)
            stolen = await bob.delete(f"{PATH}/{key}")
            unknown = await bob.delete(f"{PATH}/{key_of(new_token().text)}")
            assert (stolen.status_code, stolen.json()) == (404, unknown.json())
            assert socket.closed is None
            gone = await ada.delete(f"{PATH}/{key}")
            assert gone.json()["revoked_at"] is not None
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        async with program(tree, reader) as reads:
            answer = await reads.get("/api/v1/quotes")
            assert (answer.status_code, code_of(answer)) == (401, "unknown_token")
            assert "invalid_token" in answer.headers["www-authenticate"]

        for body, field in (
            ({"name": "x", "scopes": ["chaos:run"]}, "scopes"),
            ({"name": "x", "scopes": []}, "scopes"),
            ({"name": " ", "scopes": ["prices:read"]}, "name"),
            ({"name": "x", "scopes": ["prices:read"], "days": 367}, "days"),
            ({"name": "x", "scopes": ["prices:read"], "days": 0}, "days"),
            ({"name": "x", "scopes": ["prices"]}, "scopes[0]"),
        ):
            answer = await ada.post(PATH, json=body)
            assert (answer.status_code, [*answer.json()["error"]["fields"]]) == (422, [field])

        await expect_page_makes_tokens(tree, ada, bob)
        async with browser(tree) as cy:
            await expect_admin_revokes_tokens(tree, cy, bob)


async def expect_page_makes_tokens(
    tree: Tree, ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    """The page of the account does the same: one token for each form, shown once, one's own."""
    page = (await ada.get(PAGE)).text
    assert 'value="metrics:read"' in page
    assert 'value="chaos:run"' not in page, "the role has it not"
    (key,) = re.findall(r'hidden" name="key" value="(\w{8})">', page)
    form = {
        "csrf_token": await csrf_of(ada),
        "key": key,
        "name": "<b>mine</b>",
        "days": "7",
        "scope": ["prices:read", "history:read"],
    }
    for wrong, status, why in (
        ({"name": " "}, 422, "printable"),
        ({"days": "367"}, 422, "days: a whole number from 1 to 366"),
        ({"days": "1.5"}, 422, "days: a whole number"),
        ({"scope": []}, 422, "choose what it allows"),
        ({"scope": ["chaos:run"]}, 409, "the role operator has no chaos:run"),
        ({"scope": ["all"]}, 400, "scope"),
        ({"key": "../../.."}, 400, "key"),
        ({"csrf_token": ""}, 403, "CSRF"),
    ):
        answer = await ada.post(f"{PAGE}/tokens", data={**form, **wrong})
        assert (answer.status_code, why in answer.text) == (status, True), wrong
    made = await ada.post(f"{PAGE}/tokens", data=form)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    (secret,) = re.findall(r'value="(ss_\w+)"', made.text)
    assert key_of(secret) == key
    assert "<b>" not in made.text
    async with program(tree, secret) as reads:
        assert (await reads.get("/api/v1/quotes")).status_code == 200
        reloaded = await ada.post(f"{PAGE}/tokens", data=form)
        assert (reloaded.status_code, f"ss_{key} was made before" in reloaded.text) == (409, True)
        listed = (await ada.get(PAGE)).text
        assert secret not in reloaded.text + listed
        assert "&lt;b&gt;mine&lt;/b&gt;" in listed
        assert listed.count(f'value="{key}"') == 1
        theirs = {"csrf_token": await csrf_of(bob), "key": key}
        assert (await bob.post(f"{PAGE}/tokens/revoke", data=theirs)).status_code == 404
        assert (await reads.get("/api/v1/quotes")).status_code == 200
        gone = await ada.post(f"{PAGE}/tokens/revoke", data=form)
        assert (gone.status_code, gone.headers["location"]) == (303, "/account?done=revoked")
        assert (await reads.get("/api/v1/quotes")).status_code == 401
    assert key not in (await ada.get(PAGE)).text


async def test_a_token_for_load_has_no_limit_by_address_and_is_in_the_audit(
    database_url: str, nursery: trio.Nursery
) -> None:
    """Also where the address has used up its limit; each token once, the login of its owner not."""
    settings = {
        "database_url": database_url,
        "trusted_proxies": "127.0.0.1",
        "allowed_hosts": ("prices.example",),
        "request_burst_per_address": 12,
        "request_rate_per_address": 0.02,
        "max_connections_per_address": 1,
        **CHEAP_SETTINGS,
    }
    elsewhere = {"X-Forwarded-For": "192.0.2.9", "Host": "prices.example"}
    async with running_tree(**settings) as tree, browser(tree) as ada:
        await add_account(tree, "Ada", Role.ADMIN)
        ada.headers.update({"X-Forwarded-For": "192.0.2.1", "Host": "prices.example"})
        ada.headers["Origin"] = "http://prices.example"
        await log_in(ada, "Ada")
        token = await make(ada, "prices:read", "load")
        for _ in range(12):
            answer = await ada.get("/api/v1/quotes")
        assert answer.status_code == 429
        async with program(tree, token, **elsewhere) as load:
            assert (await load.get("/api/v1/quotes")).status_code == 200
            async with httpx.AsyncClient(base_url=tree.url, headers=elsewhere) as other:
                while (await other.get("/api/v1/quotes")).status_code != 429:
                    pass
            for _ in range(15):
                answer = await load.get("/api/v1/quotes")
                assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)
        shown = [("Authorization", f"Bearer {token}"), ("X-Forwarded-For", "192.0.2.9")]
        async with (
            connected(tree.websocket_url, nursery, shown) as one,
            connected(tree.websocket_url, nursery, shown) as two,
        ):
            await one.message("welcome")
            await two.message("welcome")
        entries: list[StoredEntry] = []
        with trio.fail_after(20):
            while not entries:
                query = FetchEntries(10, action="load")
                entries = await ask(tree.system.ref(paths.DATABASE), query)
                await trio.sleep(0.02)
    ((who, target, address),) = [
        (one.entry.who, one.entry.credential, one.entry.address) for one in entries
    ]
    assert (who, target, address) == ("Ada", "token:1", "192.0.2.9")


async def expect_admin_revokes_tokens(
    tree: Tree, cy: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    """Anybody's, on the page of accounts and by the API; at once, and with an entry."""
    await add_account(tree, "Cy", Role.ADMIN)
    await log_in(cy, "Cy")
    secrets = [await make(bob, "prices:read") for _ in range(2)]
    denied = await bob.get(PEOPLES)
    assert (denied.status_code, code_of(denied)) == (403, "missing_scope")
    everybodys = (await cy.get(PEOPLES)).json()["tokens"]
    keys = [key_of(secret) for secret in secrets]
    assert [(one["account_name"], one["token"]["key"]) for one in everybodys[:2]] == [
        ("Bob", keys[1]),
        ("Bob", keys[0]),
    ]
    number, others = everybodys[0]["account"], everybodys[2]["account"]
    assert (await cy.get(PEOPLES, params={"account": number})).json()["tokens"] == everybodys[:2]
    for key in ("0000000", "00000000"):
        assert (await cy.delete(f"{PEOPLES}/{key}")).status_code == 404
    page = (await cy.get("/admin/users")).text
    assert "2 API tokens" in page
    assert [secret for secret in secrets if secret in page] == []
    form = {"csrf_token": await csrf_of(cy, "/admin/users"), "do": "revoke", "key": keys[1]}
    async with program(tree, secrets[0]) as one, program(tree, secrets[1]) as two:
        for reads in (one, two):
            assert (await reads.get("/api/v1/quotes")).status_code == 200
        stray = await cy.post(f"/admin/users/{others}", data=form)
        assert (stray.status_code, "no such token" in stray.text) == (409, True)
        told = await cy.post(f"/admin/users/{number}", data=form)
        assert "The token script of Bob lets nobody in any more." in told.text
        assert (await two.get("/api/v1/quotes")).status_code == 401
        assert (await one.get("/api/v1/quotes")).status_code == 200
        gone = await cy.delete(f"{PEOPLES}/{keys[0]}")
        assert (gone.status_code, gone.json()["token"]["revoked_at"] is None) == (200, False)
        assert (await one.get("/api/v1/quotes")).status_code == 401
    query = FetchEntries(10, who="Cy", action="token.revoke")
    entries = await ask(tree.system.ref(paths.DATABASE), query)
    assert [one.entry.target for one in entries] == [f"Bob {keys[0]}", f"Bob {keys[1]}"]


async def test_a_ticket_opens_one_socket(
    database_url: str,
    nursery: trio.Nursery,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For a login or a token; used twice, made up or of nobody, it opens none; no log has it."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    caplog.set_level("DEBUG", logger="web")
    async with running_tree(**settings) as tree, browser(tree) as ada:
        await add_account(tree, "Ada")
        await log_in(ada, "Ada")
        token = await make(ada, "prices:read")
        tickets: list[str] = []
        async with program(tree, token) as reads, browser(tree) as nobody:
            for client in (ada, reads):
                given = await client.post("/api/v1/ws-tickets")
                assert (given.status_code, given.json()["expires_in"]) == (201, 30)
                tickets.append(given.json()["ticket"])
            assert (await nobody.post("/api/v1/ws-tickets")).status_code == 401
        for ticket in tickets:
            url = f"{tree.websocket_url}?ticket={ticket}"
            async with connected(url, nursery) as socket:
                await socket.send(action="subscribe", symbols=["AAPL"])
                await socket.message("subscriptions")
                assert await refused(tree, ticket) == (401, "unknown_ticket")
        for made_up in ("", "x", tickets[0][::-1], "é" * 43):
            assert await refused(tree, made_up) == (401, "unknown_ticket")
        # The session behind a ticket ends, and with it the socket; an unused ticket opens none.
        one, other = [(await ada.post("/api/v1/ws-tickets")).json()["ticket"] for _ in range(2)]
        async with connected(f"{tree.websocket_url}?ticket={one}", nursery) as socket:
            await socket.message("welcome")
            page = (await ada.get("/account")).text
            csrf = page.partition('name="csrf_token" value="')[2][:64]
            await ada.post("/logout", data={"csrf_token": csrf})
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        assert await refused(tree, other) == (401, "login_ended")
        said = caplog.text + capsys.readouterr().out
    assert [secret for secret in (*tickets, one, other, token) if secret in said] == []
