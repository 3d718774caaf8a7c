"""Who gets in: the login, its cookie, forged requests, wrong tokens, other machines."""

from __future__ import annotations

import re
from functools import partial
from http.cookies import SimpleCookie

import httpx
import pytest
import trio

from stockstream.cli.admin_client import AdminClient
from stockstream.errors import StartError
from stockstream.version import program_version
from tests.integration.admin.operators import by_token, log_in, somebody, token_of
from tests.support.tree import running_tree
from web.users.break_glass import FAILURES

READS = ("/admin/api/tree", "/admin/api/overview", "/admin/api/incidents", "/admin/api/events")


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def csrf_of(browser: httpx.AsyncClient) -> str:
    """The token in the page."""
    page = await browser.get("/admin")
    assert page.status_code == 200
    found = re.search(r'name="csrf-token" content="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


async def test_the_page_leads_to_the_login_and_the_token_leads_back() -> None:
    """Without a session there is a login form; with the right token the page and its API open."""
    async with running_tree() as tree, somebody(tree) as browser:
        answer = await browser.get("/admin")
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
        form = await browser.get("/admin/login")
        assert 'name="token"' in form.text
        for path in READS:
            refused = await browser.get(path)
            assert (refused.status_code, code_of(refused)) == (401, "wrong_token"), path
        answer = await log_in(browser, token_of(tree))
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login?entered=")
        answer = await browser.get(answer.headers["location"])
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
        page = await browser.get("/admin")
        assert "Supervision tree" in page.text
        assert f'data-testid="version">{program_version()}<' in page.text
        assert token_of(tree) not in page.text
        assert page.headers["cache-control"] == "no-store"
        for path in READS[:3]:
            assert (await browser.get(path)).status_code == 200, path
        again = await browser.get("/admin/login")
        assert (again.status_code, again.headers["location"]) == (303, "/admin")


async def test_a_browser_that_keeps_no_cookie_is_told_so() -> None:
    """A right token leads back to the log-in, which then says why."""
    async with running_tree() as tree, somebody(tree) as browser:
        answer = await log_in(browser, token_of(tree))
        browser.cookies.clear()
        form = await browser.get(answer.headers["location"])
        assert "this browser kept no cookie" in form.text
        assert "cookie" not in (await browser.get("/admin/login")).text


async def test_the_cookie_is_for_this_site_its_pages_and_some_hours() -> None:
    """No script reads it, no other site sends it, it goes to no other path, and it ends."""
    async with running_tree() as tree, somebody(tree) as browser:
        answer = await log_in(browser, token_of(tree))
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/admin"
        assert 0 < int(cookie["max-age"]) <= 12 * 3600
        assert token_of(tree) not in cookie.value


async def test_a_session_survives_the_death_of_web() -> None:
    """An operator who kills `web` is still logged in when it is back."""
    async with running_tree() as tree, somebody(tree) as browser:
        await log_in(browser, token_of(tree))
        csrf = await csrf_of(browser)
        generation = tree.actors()["web"].generation
        tree.system.ref("web").kill()
        await tree.until(
            lambda: (
                tree.actors()["web"].generation > generation
                and tree.actors()["web"].state == "running"
            )
        )
        async with somebody(tree) as later:
            later.cookies = browser.cookies
            assert (await later.get("/admin/api/overview")).status_code == 200
            assert await csrf_of(later) == csrf


async def test_logging_out_ends_the_session_also_for_a_copied_cookie() -> None:
    """After a logout the cookie opens nothing, wherever it is kept."""
    async with running_tree() as tree, somebody(tree) as browser, somebody(tree) as thief:
        await log_in(browser, token_of(tree))
        thief.cookies = httpx.Cookies(browser.cookies)
        form = {"csrf_token": await csrf_of(browser)}
        refused = await browser.post("/admin/logout", data={"csrf_token": "0" * 64})
        assert refused.status_code == 403
        assert (await thief.get("/admin/api/tree")).status_code == 200
        answer = await browser.post("/admin/logout", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
        assert (await browser.get("/admin")).status_code == 303
        assert (await thief.get("/admin/api/tree")).status_code == 401


async def test_a_change_by_cookie_needs_the_csrf_token_and_our_own_origin() -> None:
    """Another page that has the browser send the cookie changes nothing; a program needs none."""
    path = "/admin/api/chaos/halt"
    async with running_tree(chaos_enabled=True) as tree, somebody(tree) as browser:
        await log_in(browser, token_of(tree))
        csrf = {"X-CSRF-Token": await csrf_of(browser)}
        for headers in (
            {},
            {"X-CSRF-Token": "0" * 64},
            csrf | {"Origin": "http://evil.example"},
            csrf | {"Origin": "null"},
        ):
            refused = await browser.post(path, headers=headers)
            assert (refused.status_code, code_of(refused)) == (403, "wrong_csrf_token"), headers
        answer = await browser.post(path, headers=csrf | {"Origin": tree.url})
        assert answer.json() == {"ended": 0}
        async with by_token(tree) as program:
            assert (await program.post(path)).json() == {"ended": 0}


async def test_wrong_tokens_are_told_so_then_told_to_wait_and_the_right_one_passes() -> None:
    """Ten in twenty seconds; a session and the right token go on, by the API and by the form."""
    async with running_tree() as tree, somebody(tree) as browser, somebody(tree) as other:
        wrong = {"Authorization": "Bearer wrong"}
        for _ in range(FAILURES - 1):
            answer = await other.get(READS[0], headers=wrong)
            assert (answer.status_code, code_of(answer)) == (401, "wrong_token")
            assert answer.headers["www-authenticate"] == (
                'Bearer realm="StockStream operators", error=invalid_token'
            )
        form = await log_in(other, "wrong")
        assert form.status_code == 401
        assert form.headers["www-authenticate"].startswith("Bearer ")
        assert "This is not the ADMIN_TOKEN of this server." in form.text
        form = await log_in(other, "wrong")
        assert form.status_code == 429
        assert "Too many wrong tokens" in form.text
        assert 0 < int(form.headers["retry-after"]) <= 20
        answer = await other.get(READS[0], headers=wrong)
        assert (answer.status_code, code_of(answer)) == (429, "too_many_failures")
        assert 0 < int(answer.headers["retry-after"]) <= 20
        async with by_token(tree) as program:
            assert (await program.get(READS[0])).status_code == 200
        assert (await log_in(browser, token_of(tree))).status_code == 303
        assert (await browser.get(READS[0])).status_code == 200


async def test_the_scheme_of_the_token_is_bearer_in_any_case() -> None:
    """Another scheme brings no token: it counts as none, and a session passes beside it."""
    async with running_tree() as tree, somebody(tree) as browser:
        for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
            headers = {"Authorization": f"{scheme} {token_of(tree)}"}
            assert (await browser.get(READS[0], headers=headers)).status_code == 200, scheme
        basic = {"Authorization": "Basic dXNlcjpwYXNz"}
        for headers in ({}, basic, {"Authorization": token_of(tree)}):
            answer = await browser.get(READS[0], headers=headers)
            assert (answer.status_code, code_of(answer)) == (401, "wrong_token")
            assert answer.headers["www-authenticate"] == 'Bearer realm="StockStream operators"'
        await log_in(browser, token_of(tree))
        assert (await browser.get(READS[0], headers=basic)).status_code == 200


async def test_a_foreign_page_cannot_use_up_the_tries() -> None:
    """A form sent from elsewhere is refused before its token is looked at."""
    async with running_tree() as tree, somebody(tree) as browser:
        for _ in range(FAILURES + 5):
            answer = await browser.post(
                "/admin/login", data={"token": "x"}, headers={"Origin": "http://evil.example"}
            )
            assert answer.status_code == 403
        assert (await log_in(browser, token_of(tree))).status_code == 303


ADMIN_PATHS = ("/admin/login", *READS[:3], "/admin/api/chaos/status")
THROUGH = (
    {},
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-For": "203.0.113.7:5566"},
    {"X-Forwarded-For": "[2001:db8::1]:443"},
    {"X-Forwarded-For": '"203.0.113.7"'},
    {"X-Forwarded-For": "unknown"},
    {"X-Forwarded-For": ""},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"},
    {"X-Real-IP": "203.0.113.7"},
    {"Forwarded": "for=203.0.113.7"},
    {"Via": "1.1 proxy"},
    {"X-Forwarded-Proto": "https"},
    {"CF-Connecting-IP": "203.0.113.7"},
    {"Host": "prices.example"},
)
"""What proxies in use make of a stranger's request, by default or as they are set up wrongly."""


async def _refusals(program: httpx.AsyncClient, headers: dict[str, str]) -> set[str]:
    """What every admin path says to a request with these headers."""
    answers = [await program.get(path, headers=headers) for path in ADMIN_PATHS]
    assert {answer.status_code for answer in answers} == {403}, headers
    return {code_of(answer) for answer in answers[1:]}


async def test_who_comes_through_a_proxy_on_this_machine_is_refused() -> None:
    """Also with the token, whatever the proxy adds or leaves out, be it trusted or not."""
    trusting = running_tree(trusted_proxies="127.0.0.1/32", allowed_hosts="*")
    async with trusting as tree, by_token(tree) as program:
        for headers in THROUGH:
            assert await _refusals(program, headers) == {"not_loopback"}, headers
    async with running_tree(allowed_hosts="*") as tree, by_token(tree) as program:
        for headers in THROUGH[1:]:
            assert await _refusals(program, headers) == {"not_loopback"}, headers
        assert (await program.get(READS[0])).status_code == 200


async def test_a_command_that_is_refused_says_what_to_do() -> None:
    """An operator beside a trusted proxy on 127.0.0.1 hears of the address that it should have."""
    async with running_tree(trusted_proxies="127.0.0.1/32") as tree:
        ask = partial(AdminClient(tree.url, token_of(tree)).get, READS[0], dict)
        with pytest.raises(StartError, match=r"answered 403: .*TRUSTED_PROXIES.*127\.0\.0\.2"):
            await trio.to_thread.run_sync(ask)


async def test_a_trusted_proxy_with_an_address_of_its_own_leaves_the_operator_theirs() -> None:
    """The proxy asks from 127.0.0.2, the operator beside it from 127.0.0.1."""
    async with running_tree(trusted_proxies="127.0.0.2/32") as tree:
        async with by_token(tree) as program:
            for path in ADMIN_PATHS:
                assert (await program.get(path)).status_code == 200, path
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(base_url=tree.url, transport=transport) as proxy:
            for path in ADMIN_PATHS:
                answer = await proxy.get(
                    path, headers={"Authorization": f"Bearer {token_of(tree)}"}
                )
                assert answer.status_code == 403, path
            assert "TRUSTED_PROXIES" in answer.json()["error"]["reason"]


async def test_a_login_page_shows_nothing_it_was_sent() -> None:
    """What was typed does not come back, as text or as markup."""
    async with running_tree() as tree, somebody(tree) as browser:
        form = await log_in(browser, "<script>alert(1)</script>")
        assert form.status_code == 401
        assert "alert(1)" not in form.text
