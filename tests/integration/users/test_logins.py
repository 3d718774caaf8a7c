"""Logins: by the form or JSON, what they open, and how they end, here and at open sockets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.users.roles import Role
from tests.support.client import connected
from tests.support.people import CHEAP_SETTINGS, PASSWORD, add_account, browser, csrf_of, log_in
from tests.support.tree import running_tree
from web.live.credentials import CODE_ENDED

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.support.client import Client
    from tests.support.tree import Tree

NEW_PASSWORD = "another horse, less correct"


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def cookie_of(client: httpx.AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def socket_of(
    tree: Tree, client: httpx.AsyncClient, nursery: trio.Nursery
) -> AbstractAsyncContextManager[Client]:
    """The WebSocket of a page in that browser."""
    headers = [("Cookie", cookie_of(client)), ("Origin", tree.url)]
    return connected(tree.websocket_url, nursery, headers)


async def test_who_logs_in_sees_prices_until_the_logout_ends_them(
    database_url: str, nursery: trio.Nursery
) -> None:
    """The whole way, where the dashboard takes a login: form, page, socket, logout, 4503."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as client:
        await add_account(tree, "Ada")
        answer = await client.get("/s/AAPL?range=1d")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login?next=/s/AAPL?range%3D1d",
        )
        refused = await client.get("/api/v1/quotes")
        assert (refused.status_code, code_of(refused)) == (401, "login_needed")
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        async with socket_of(tree, client, nursery) as stranger:
            assert (await stranger.wait_closed())[0] == CODE_ENDED
            assert stranger.messages == []
        form = await client.get(answer.headers["location"])
        assert 'value="/s/AAPL?range=1d"' in form.text
        wrong = await log_in(client, "ada", "wrong")
        assert wrong.status_code == 401
        assert "The name or the password is wrong." in wrong.text
        right = await log_in(client, " ADA ", next="/s/AAPL?range=1d")
        assert right.status_code == 303
        seen = await client.get(right.headers["location"], follow_redirects=True)
        assert seen.status_code == 200
        assert seen.url.raw_path == b"/s/AAPL?range=1d"
        assert (await client.get("/api/v1/quotes")).status_code == 200
        async with socket_of(tree, client, nursery) as socket:
            await socket.send(action="subscribe", symbols=["*"])
            await socket.message("prices")
            out = await client.post("/logout", data={"csrf_token": await csrf_of(client)})
            assert (out.status_code, out.headers["location"]) == (303, "/login")
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        assert (await client.get("/")).status_code == 303


async def test_one_s_own_account(database_url: str, nursery: trio.Nursery) -> None:
    """Where one is logged in, ending that, and another password, which ends all but this one."""
    settings = {"database_url": database_url, **CHEAP_SETTINGS}
    async with (
        running_tree(**settings) as tree,
        browser(tree) as desk,
        browser(tree) as phone,
        browser(tree) as other,
    ):
        await add_account(tree, "Ada")
        await add_account(tree, "Bob")
        phone.headers["User-Agent"] = "Mozilla/5.0 (Android 16; Mobile) Firefox/150.0"
        odd = await log_in(desk, "Ada\0")
        assert (odd.status_code, "is wrong" in odd.text) == (401, True)
        for client in (desk, phone):
            await log_in(client, "Ada")
        await log_in(other, "Bob")
        page = await desk.get("/account")
        assert "Firefox on Android" in page.text
        assert page.text.count("this one") == 1
        (number,) = re.findall(r'name="session" value="(\d+)"', page.text)
        csrf = {"csrf_token": await csrf_of(desk)}
        stolen = await other.post(
            "/account/sessions/end", data={"csrf_token": await csrf_of(other), "session": number}
        )
        assert stolen.status_code == 303
        assert (await phone.get("/account")).status_code == 200, "ended by somebody else"
        async with socket_of(tree, phone, nursery) as socket:
            await socket.message("welcome")
            await desk.post("/account/sessions/end", data={**csrf, "session": number})
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        ended = await phone.get("/api/v1/watchlists")
        assert (ended.status_code, code_of(ended)) == (401, "login_ended")
        # What anybody may, goes on where the dashboard is open.
        assert (await phone.get("/api/v1/quotes")).status_code == 200
        await log_in(phone, "Ada")
        fields = {**csrf, "password": PASSWORD, "new": "short"}
        for new, why in (
            ("short", "at least 8"),
            ("password", "tried first"),
            (PASSWORD, "the one of now"),
        ):
            refused = await desk.post("/account/password", data={**fields, "new": new})
            assert refused.status_code == 422
            assert why in refused.text
        wrong = {**fields, "password": "not this", "new": NEW_PASSWORD}
        assert (await desk.post("/account/password", data=wrong)).status_code == 401
        async with socket_of(tree, desk, nursery) as mine, socket_of(tree, phone, nursery) as his:
            await mine.message("welcome")
            await his.message("welcome")
            done = await desk.post("/account/password", data={**fields, "new": NEW_PASSWORD})
            assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
            assert (await his.wait_closed(1.0))[0] == CODE_ENDED
            assert mine.closed is None
        assert (await desk.get("/account")).status_code == 200
        assert (await phone.get("/account")).status_code == 303
        assert (await log_in(phone, "Ada")).status_code == 401
        assert (await log_in(phone, "Ada", NEW_PASSWORD)).status_code == 303


async def test_a_change_needs_a_page_of_the_same_login(database_url: str) -> None:
    """By its token, or as the browser writes of itself that a page of this host asks."""
    settings = {"database_url": database_url, **CHEAP_SETTINGS}
    body = {"name": "Mine", "symbols": []}
    async with running_tree(**settings) as tree, browser(tree) as client:
        await add_account(tree, "Ada")
        await log_in(client, "Ada")
        csrf = await csrf_of(client)
        del client.headers["Origin"]
        foreign = {"Origin": "http://evil.example"}
        for headers, code in (
            ({}, "wrong_csrf_token"),
            ({"X-CSRF-Token": "0" * 64}, "wrong_csrf_token"),
            ({"Sec-Fetch-Site": "same-site"}, "wrong_csrf_token"),
            ({"Sec-Fetch-Site": "same-origin", **foreign}, "forbidden_origin"),
            ({"X-CSRF-Token": csrf, **foreign}, "forbidden_origin"),
        ):
            refused = await client.post("/api/v1/watchlists", json=body, headers=headers)
            assert (refused.status_code, code_of(refused)) == (403, code), headers
        for number, headers in enumerate(
            ({"X-CSRF-Token": csrf}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": tree.url})
        ):
            wanted = {**body, "name": f"Mine {number}"}
            made = await client.post("/api/v1/watchlists", json=wanted, headers=headers)
            assert made.status_code == 201, (headers, made.text)
        assert (await client.post("/logout", data={"csrf_token": "0" * 64})).status_code == 403
        forged = {"name": "Ada", "password": PASSWORD}
        assert (await client.post("/login", data=forged, headers=foreign)).status_code == 403
        assert (await client.get("/account")).status_code == 200


async def test_who_looks_after_accounts(database_url: str, nursery: trio.Nursery) -> None:
    """Adds one, whose password has to be changed first; changes its role, disables it at once."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as admin, browser(tree) as person:
        await add_account(tree, "Ada", Role.ADMIN)
        await log_in(admin, "Ada")
        csrf = {"csrf_token": await csrf_of(admin, "/admin/users")}
        made = await admin.post("/admin/users", data={**csrf, "name": "Bob", "role": "viewer"})
        found = re.search(r'data-testid="password">([^<]+)<', made.text)
        assert found is not None
        again = await admin.post("/admin/users", data={**csrf, "name": "bob", "role": "viewer"})
        assert again.status_code == 409
        assert "another account has this name" in again.text
        first = await log_in(person, "Bob", found[1], next="/docs")
        page = await person.get(first.headers["location"], follow_redirects=True)
        assert (page.url.path, page.url.query) == ("/account/password", b"next=/docs")
        assert (await person.get("/docs")).headers["location"].startswith("/account/password")
        refused = await person.get("/api/v1/quotes")
        assert (refused.status_code, code_of(refused)) == (403, "password_change_needed")
        async with socket_of(tree, person, nursery) as socket:
            assert (await socket.wait_closed())[0] == CODE_ENDED
        form = {
            "csrf_token": await csrf_of(person, "/account/password"),
            "password": found[1],
            "new": NEW_PASSWORD,
            "next": "/docs",
        }
        changed = await person.post("/account/password", data=form)
        assert (changed.status_code, changed.headers["location"]) == (303, "/docs")
        assert (await person.get("/docs")).status_code == 200
        assert (await person.get("/admin")).status_code == 403
        (number,) = re.findall(
            r'action="/admin/users/(\d+)">(?:(?!action).)*Role of Bob', made.text, re.DOTALL
        )
        where = f"/admin/users/{number}"
        await admin.post(where, data={**csrf, "do": "role", "role": "operator"})
        assert (await person.get("/admin")).status_code == 200
        async with socket_of(tree, person, nursery) as socket:
            await socket.message("welcome")
            told = await admin.post(where, data={**csrf, "do": "disable"})
            assert "Bob is disabled, 1 session has ended." in told.text
            assert (await socket.wait_closed(1.0))[0] == CODE_ENDED
        assert (await person.get("/")).status_code == 303
        shut = await log_in(person, "Bob", NEW_PASSWORD)
        assert (shut.status_code, "is disabled" in shut.text) == (401, True)
        own = re.findall(
            r'action="/admin/users/(\d+)">(?:(?!action).)*Role of Ada', made.text, re.DOTALL
        )
        last = await admin.post(f"/admin/users/{own[0]}", data={**csrf, "do": "disable"})
        assert (last.status_code, "the last account" in last.text) == (409, True)
        for wrong in ({"do": "delete"}, {"do": "role", "role": "king"}):
            assert (await admin.post(where, data={**csrf, **wrong})).status_code == 400


async def test_what_a_browser_made_goes_to_the_account_that_first_logs_in_there(
    database_url: str,
) -> None:
    """Lists and rules; the person is told. At the next login what came since stays where it is."""
    settings = {"database_url": database_url, **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as client:
        await add_account(tree, "Ada")
        await client.get("/")
        for name in ("Tech", "Cars"):
            await client.post("/api/v1/watchlists", json={"name": name, "symbols": ["AAPL"]})
        rule = {"symbol": "AAPL", "kind": "above", "threshold": 1e6}
        assert (await client.post("/api/v1/alerts/rules", json=rule)).status_code == 201
        first = await log_in(client, "Ada", next="/docs")
        told = await client.get(first.headers["location"], follow_redirects=True)
        assert told.url.path == "/account/moved"
        assert "2 lists, 1 alert rule, 0 fired alerts" in told.text
        assert 'href="/docs"' in told.text
        mine = (await client.get("/api/v1/watchlists")).json()["watchlists"]
        assert [one["name"] for one in mine] == ["Cars", "Tech"]
        await client.post("/logout", data={"csrf_token": await csrf_of(client)})
        assert (await client.get("/api/v1/watchlists")).json()["watchlists"] == []
        await client.post("/api/v1/watchlists", json={"name": "Left", "symbols": []})
        again = await log_in(client, "Ada", next="/docs")
        assert again.headers["location"] == "/login?entered=&next=/docs"
        assert len((await client.get("/api/v1/watchlists")).json()["watchlists"]) == 2
        odd = await client.get("/account/moved?lists=x&rules=-1&alerts=9999999&next=//evil.example")
        assert "0 lists, 0 alert rules, 0 fired alerts" in odd.text
        assert 'href="/"' in odd.text


async def test_a_kill_logs_nobody_out_and_lets_nobody_in(database_url: str) -> None:
    """Whoever asks meanwhile waits for a moment; who is nobody stays so."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with running_tree(**settings) as tree, browser(tree) as client, browser(tree) as forger:
        await add_account(tree, "Ada")
        await log_in(client, "Ada")
        (name,) = [name for name in client.cookies if name.startswith("stockstream_session")]
        forger.cookies.set(name, "A" * 43)
        for path in ("users/doorkeeper", "database/gateway", "web"):
            before = tree.actors()[path].generation
            tree.system.ref(path).kill()
            answers = [await _asked(one) for one in (client, forger)]
            assert [answer.status_code for answer in answers] == [200, 401], path
            assert code_of(answers[1]) == "login_ended"
            assert tree.actors()[path].generation > before


async def _asked(client: httpx.AsyncClient) -> httpx.Response:
    """Ask until somebody answers: `web` may be the one that was killed, or the database away."""
    with trio.fail_after(20):
        while True:
            try:
                answer = await client.get("/api/v1/quotes")
            except httpx.TransportError:
                await trio.sleep(0.02)
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                await trio.sleep(0.05)
