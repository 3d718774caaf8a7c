"""OWASP ASVS 5.0, chapter V7, session management."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.asvs.conftest import PASSWORD, code_of

if TYPE_CHECKING:
    import httpx

    from tests.asvs.conftest import World


def csrf_of(client: httpx.Client) -> dict[str, str]:
    page = client.get("/account").text
    return {"csrf_token": page.partition('name="csrf_token" value="')[2][:64]}


def session_of(client: httpx.Client) -> str:
    (token,) = [
        cookie.value or ""
        for cookie in client.cookies.jar
        if cookie.name.startswith("stockstream_session")
    ]
    return token


def is_in(client: httpx.Client) -> bool:
    return client.get("/api/v1/quotes").status_code == 200


def test_7_2_1_to_7_2_3_a_session_is_a_random_reference_that_the_server_checks(
    world: World,
) -> None:
    """256 bits; one that was changed or made up is none."""
    with world.person() as client:
        token = session_of(client)
        assert re.fullmatch(r"[\w-]{43}", token)
        name = next(cookie.name for cookie in client.cookies.jar if cookie.value == token)
        for made_up in (token[:-2] + "AA", "A" * 43, ""):
            client.cookies.set(name, made_up, domain="127.0.0.1")
            client.cookies.jar.clear()
            client.headers["Cookie"] = f"{name}={made_up}"
            assert client.get("/api/v1/quotes").status_code == 401, made_up


def test_7_2_4_each_login_has_a_session_of_its_own(world: World) -> None:
    """The one of before ends; one that somebody gave the browser is not taken up."""
    name = world.account()
    with world.person(name=name) as client, world.client() as thief:
        before = dict(client.cookies)
        world.log_in(client, name)
        assert is_in(client)
        thief.cookies.update(before)
        assert not is_in(thief)


def test_7_3_1_and_7_3_2_a_session_ends_unused_and_at_last(world: World) -> None:
    """By the database's clock, whatever is used of it."""
    for name, ends in (
        (world.account(), "seen_at = now() - interval '13 hours'"),
        (world.account(), "expires_at = now()"),
    ):
        with world.client() as client:
            world.log_in(client, name)
            account = f"(SELECT id FROM user_accounts WHERE name = '{name}')"
            world.sql(f"UPDATE user_sessions SET {ends} WHERE account_id = {account}")
            answer = client.get("/api/v1/quotes")
            assert (answer.status_code, code_of(answer)) == (401, "login_ended")


def test_7_4_1_a_logout_ends_it_for_whoever_has_it(world: World) -> None:
    """Not in the browser alone."""
    with world.person() as client, world.client() as copy:
        copy.cookies.update(dict(client.cookies))
        assert is_in(copy)
        assert client.post("/logout", data=csrf_of(client)).status_code == 303
        assert not is_in(copy)


def test_7_4_2_a_disabled_account_is_out(world: World) -> None:
    """Its sessions and its tokens, at once."""
    name = world.account()
    with world.person("admin") as admin, world.person(name=name) as client:
        body = {"name": "x", "scopes": ["prices:read"]}
        secret = client.post("/api/v1/tokens", json=body).json()["secret"]
        with world.program(secret) as program:
            assert is_in(program)
            number = world.sql(f"SELECT id FROM user_accounts WHERE name = '{name}'")
            form = {**csrf_of(admin), "do": "disable"}
            assert admin.post(f"/admin/users/{number}", data=form).status_code == 200
            assert not is_in(client)
            assert not is_in(program)


def test_7_4_3_another_password_ends_all_other_sessions(world: World) -> None:
    """But the one that changed it."""
    name = world.account()
    with world.person(name=name) as client, world.person(name=name) as other:
        form = {**csrf_of(client), "password": PASSWORD, "new": "another good password"}
        assert client.post("/account/password", data=form).status_code == 303
        assert is_in(client)
        assert not is_in(other)


def test_7_4_4_every_page_of_an_account_has_a_logout(world: World) -> None:
    """Or the way to it: the page of one's own account."""
    with world.person("admin") as client:
        assert 'action="/logout"' in client.get("/account").text
        for path in ("/", "/account/password", "/admin", "/admin/users"):
            page = client.get(path).text
            assert 'action="/logout"' in page or 'href="/account"' in page, path


def test_7_4_5_who_looks_after_accounts_ends_anybody_s_sessions(world: World) -> None:
    """All of one account."""
    name = world.account()
    with world.person("admin") as admin, world.person(name=name) as client:
        number = world.sql(f"SELECT id FROM user_accounts WHERE name = '{name}'")
        form = {**csrf_of(admin), "do": "end"}
        assert admin.post(f"/admin/users/{number}", data=form).status_code == 200
        assert not is_in(client)


def test_7_5_2_one_sees_and_ends_one_s_own_sessions(world: World) -> None:
    """Each, or all others."""
    name = world.account()
    with world.person(name=name) as client, world.person(name=name) as other:
        assert client.get("/account").text.count('name="session" value="') == 2
        form = {**csrf_of(client), "session": "others"}
        assert client.post("/account/sessions/end", data=form).status_code == 303
        assert is_in(client)
        assert not is_in(other)
