"""OWASP ASVS 5.0, chapter V6, authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.users.api_tokens import key_of
from tests.asvs.conftest import PASSWORD, code_of

if TYPE_CHECKING:
    import httpx

    from tests.asvs.conftest import World


def change(client: httpx.Client, before: str, wanted: str) -> httpx.Response:
    csrf = client.get("/account/password").text.partition('name="csrf_token" value="')[2][:64]
    form = {"csrf_token": csrf, "password": before, "new": wanted}
    return client.post("/account/password", data=form)


def test_6_2_1_6_2_4_and_6_2_9_which_passwords_may_be_chosen(world: World) -> None:
    """Eight to 128 characters, and none of those that are tried first."""
    with world.person() as client:
        for wanted in ("short12", "password", "iloveyou", "x" * 129):
            assert change(client, PASSWORD, wanted).status_code == 422, wanted
        assert change(client, PASSWORD, "x" * 64 + "y" * 64).status_code == 303


def test_6_2_3_a_change_takes_the_password_of_now(world: World) -> None:
    """A page that was left open changes nothing."""
    with world.person() as client:
        assert change(client, "not the one of now", "another good one").status_code == 401


def test_6_2_5_and_6_2_8_any_characters_and_all_of_them_count(world: World) -> None:
    """Of any script, in their case, to the last one."""
    name, wanted = world.account(), "Пароль 密码 🔑 with spaces "
    with world.person(name=name) as client:
        assert change(client, PASSWORD, wanted).status_code == 303
    with world.client() as client:
        for wrong in (wanted.lower(), wanted.rstrip(), wanted + "x"):
            assert world.log_in(client, name, wrong).status_code == 401, wrong
        assert world.log_in(client, name, wanted).status_code == 200


def test_6_2_6_and_6_2_7_the_form_helps_managers_of_passwords(world: World) -> None:
    """It hides what is typed, says what it wants, and pasting is not in its way."""
    with world.client() as client:
        page = client.get("/login").text
    assert 'type="password"' in page
    assert 'autocomplete="current-password"' in page
    assert "onpaste" not in page


def test_6_3_1_guessing_is_slowed_down(world: World) -> None:
    """After ten wrong ones of an address, with when to come back."""
    with world.client() as client:
        answers = [world.log_in(client, f"nobody{n}", "wrong guess") for n in range(11)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[10].status_code == 429
    assert int(answers[10].headers["retry-after"]) > 0


def test_6_3_2_there_are_no_accounts_from_the_begin(world: World) -> None:
    """Nobody is let in by a name that everybody knows."""
    with world.client() as client:
        for name in ("admin", "root", "stockstream"):
            assert world.log_in(client, name, name).status_code == 401


def test_6_3_8_nobody_learns_which_accounts_there_are(world: World) -> None:
    """A wrong password and an unknown name have one answer."""
    with world.client() as client:
        wrong = world.log_in(client, world.account(), "wrong guess")
        unknown = world.log_in(client, "nobody at all", "wrong guess")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())


def test_6_5_1_and_6_5_2_secrets_of_programs_are_random_and_kept_as_hashes(
    world: World,
) -> None:
    """A token has 190 random bits, and the database has neither it nor a session's."""
    with world.person() as client:
        body = {"name": "x", "scopes": ["prices:read"]}
        secret = client.post("/api/v1/tokens", json=body).json()["secret"]
        cookie = next(iter(client.cookies.jar)).value
        assert key_of(secret) is not None
        stored = world.sql("SELECT t FROM user_tokens t") + world.sql(
            "SELECT s FROM user_sessions s"
        )
    assert secret[12:] not in stored
    assert cookie
    assert cookie not in stored


def test_6_5_5_a_password_that_was_given_has_to_be_changed(world: World) -> None:
    """Before anything else."""
    name = world.account()
    world.sql(f"UPDATE user_accounts SET must_change = true WHERE name = '{name}'")
    with world.person(name=name) as client:
        answer = client.get("/api/v1/quotes")
        assert (answer.status_code, code_of(answer)) == (403, "password_change_needed")
        body = {"name": "x", "scopes": ["prices:read"]}
        assert client.post("/api/v1/tokens", json=body).status_code == 403
