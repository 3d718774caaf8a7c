"""The actor against a provider over real sockets, which may be as bad as it likes."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from joserfc.jwk import ECKey
from pydantic import SecretStr

from stockstream import paths
from stockstream.users.oidc import asking, identity_provider
from stockstream.users.oidc.messages import (
    Blame,
    ClientSecretChanged,
    FindLogin,
    Identity,
    NoLogin,
)
from stockstream.users.oidc.roles import RoleRules, read_roles
from stockstream.users.roles import Role
from supervision import CallError
from tests.support.identity_provider import SECRET, encode, sign
from tests.support.oidc_world import HERE, WELL_KNOWN, world


def refused(outcome: Identity | NoLogin | str, blame: Blame, words: str) -> None:
    assert isinstance(outcome, NoLogin), outcome
    assert outcome.blame is blame, outcome
    assert words in outcome.reason


async def test_a_person_logs_in():
    async with world(RoleRules(roles=read_roles("sre=operator"))) as it:
        it.provider.claims = {"preferred_username": "ann", "groups": ["sre"]}
        address = await it.find()
        query = parse_qs(urlsplit(address).query)
        assert address.startswith(f"{it.provider.url}/authorize?")
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [HERE]
        who = await it.finish(it.provider.log_in(address))
        assert who == Identity(it.provider.url, "u-1", "ann", Role.OPERATOR)
        (exchanged,) = [one for one in it.provider.asked if one.path == "/token"]
        assert exchanged.form["grant_type"] == "authorization_code"
        assert "client_secret" not in exchanged.form


async def test_what_it_says_of_itself_and_its_keys_are_asked_for_once():
    async with world() as it:
        for number in range(3):
            assert isinstance(await it.log_in(f"code-{number}"), Identity)
        assert it.provider.count(WELL_KNOWN) == it.provider.count("/keys") == 1


async def test_a_code_is_of_no_use_twice():
    async with world() as it:
        came = it.provider.log_in(await it.find())
        assert isinstance(await it.finish(came), Identity)
        refused(await it.finish(came), Blame.LOGIN, "it was used, or is too old")


async def test_a_code_of_another_login_is_of_no_use():
    """Its challenge is of another verifier: what the attacker's browser got is not for ours."""
    async with world() as it:
        theirs = it.provider.log_in(await it.find(), code="theirs")
        ours = it.provider.log_in(await it.find(), code="ours")
        refused(await it.finish({**ours, "code": theirs["code"]}), Blame.LOGIN, "code")


async def test_a_token_of_another_login_is_refused():
    async with world() as it:
        it.provider.claims = {"nonce": "another"}
        refused(await it.log_in(), Blame.LOGIN, "nonce")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://evil.example"}, "'iss'"),
        ({"aud": "another client"}, "'aud'"),
        ({"exp": 1}, "expired"),
        ({"nonce": None}, "nonce"),
    ],
)
async def test_a_token_that_is_not_for_us_is_refused(claims, words):
    async with world() as it:
        it.provider.claims = claims
        refused(await it.log_in(), Blame.LOGIN, words)


async def test_a_token_without_a_signature_is_refused_whatever_the_provider_says_it_uses():
    async with world() as it:
        head = encode(json.dumps({"alg": "none"}).encode())
        it.provider.token = lambda claims: f"{head}.{encode(json.dumps(claims).encode())}."
        refused(await it.log_in(), Blame.LOGIN, "'none'")


async def test_a_new_key_of_the_provider_is_asked_for_and_made_up_ones_cost_one_question():
    async with world() as it:
        assert isinstance(await it.log_in("before"), Identity)
        it.provider.token = lambda claims: sign(claims, kid="made up")
        identity = it.system.ref(paths.IDENTITY_PROVIDER)
        assert await identity.call(FindLogin(it.attempts.begin(None, HERE, "/"), HERE))
        for number in range(3):
            refused(await it.log_in(f"evil-{number}"), Blame.LOGIN, "does not tell")
        assert it.provider.count("/keys") == 1  # a minute has not passed


async def test_a_key_that_came_since_is_found(monkeypatch):
    monkeypatch.setattr("stockstream.users.oidc.keys.REFETCH_SECONDS", 0.0)
    async with world() as it:
        assert isinstance(await it.log_in("before"), Identity)
        new = ECKey.generate_key("P-256", {"kid": "two"})
        it.provider.keys.append(new.as_dict(private=False))
        it.provider.token = lambda claims: sign(claims, new, kid="two")
        assert isinstance(await it.log_in("after"), Identity)
        assert it.provider.count("/keys") == 2


async def test_another_issuer_in_its_metadata_is_refused():
    async with world() as it:
        it.provider.metadata = {"issuer": f"{it.provider.url}/"}
        refused(await it.find(), Blame.SETUP, "to the letter")


async def test_an_answer_of_another_provider_is_refused():
    """RFC 9207, where the provider does it, and wherever an answer names one."""
    async with world() as it:
        came = it.provider.log_in(await it.find())
        refused(await it.finish(came, iss="https://evil.example"), Blame.LOGIN, "another provider")
        assert isinstance(await it.finish(came, iss=it.provider.url), Identity)
    async with world() as it:
        it.provider.metadata = {"authorization_response_iss_parameter_supported": True}
        refused(await it.log_in(), Blame.LOGIN, "another provider")


async def test_a_provider_that_is_away_is_said_and_asked_again_at_the_next_login():
    async with world() as it:
        it.provider.metadata = {"token_endpoint": "http://127.0.0.1:1/token"}
        refused(await it.log_in(), Blame.AWAY, "no connection")
        it.provider.stop()
        assert isinstance(await it.find(), str)  # it is known where it is
    async with world() as it:
        it.provider.stop()
        refused(await it.find(), Blame.AWAY, "no connection")


async def test_a_slow_provider_holds_nobody_for_longer_than_the_limit(monkeypatch):
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.2)

    async def drip(stream: trio.abc.SendStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send_all(b" ")
            await trio.sleep(0.01)

    async with world() as it:
        it.provider.answers[WELL_KNOWN] = drip
        outcomes: list[object] = []

        async def ask() -> None:
            outcomes.append(await it.find())

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask)
        for outcome in outcomes:
            refused(outcome, Blame.AWAY, "no complete answer")
        # One has asked for all ten, or two on a machine that stood still meanwhile.
        assert it.provider.count(WELL_KNOWN) <= 2


async def test_ten_megabytes_of_keys_are_not_read():
    sent = 0

    async def pour(stream: trio.abc.SendStream) -> None:
        nonlocal sent
        await stream.send_all(b'HTTP/1.1 200 OK\r\n\r\n{"keys":["')
        for _ in range(160):
            await stream.send_all(b"x" * 65_536)
            sent += 65_536

    async with world() as it:
        it.provider.answers["/keys"] = pour
        refused(await it.log_in(), Blame.SETUP, "longer than 262,144 bytes")
        assert sent < 10_000_000


async def test_a_packed_answer_is_not_unpacked():
    async def bomb(stream: trio.abc.SendStream) -> None:
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b"
        )

    async with world() as it:
        it.provider.answers[WELL_KNOWN] = bomb
        refused(await it.find(), Blame.SETUP, "gzip")


@pytest.mark.parametrize("path", [WELL_KNOWN, "/keys", "/token"])
async def test_redirects_are_not_followed(path):
    async def redirect(stream: trio.abc.SendStream) -> None:
        await stream.send_all(
            f"HTTP/1.1 302 Found\r\nlocation: {path}\r\ncontent-length: 0\r\n\r\n".encode()
        )

    async with world() as it:
        it.provider.answers[path] = redirect
        found = await it.find() if path == WELL_KNOWN else await it.log_in()
        refused(found, Blame.SETUP, "redirects are not followed")
        assert it.provider.count(path) == 1


async def test_a_wrong_secret_is_of_the_setup_and_a_new_one_is_used_at_once():
    async with world(secret="old") as it:
        refused(await it.log_in(), Blame.SETUP, "invalid_client: who are you?")
        it.system.ref(paths.IDENTITY_PROVIDER).cast(ClientSecretChanged(SecretStr(SECRET)))
        assert isinstance(await it.log_in(), Identity)


async def test_a_secret_may_go_in_the_body():
    async with world() as it:
        it.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        refused(await it.log_in(), Blame.SETUP, "invalid_client")  # this provider wants the header
        (exchanged,) = [one for one in it.provider.asked if one.path == "/token"]
        assert exchanged.form["client_secret"] == SECRET
        assert "authorization" not in exchanged.headers


async def test_who_has_no_role_is_refused_by_name():
    async with world(RoleRules(roles=read_roles("sre=operator"), refuse=True)) as it:
        refused(await it.log_in(), Blame.ROLE, "'groups'")


async def test_made_up_codes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(identity_provider, "MOST_UNDER_WAY", 3)
    monkeypatch.setattr(identity_provider, "AT_ONCE", 1)
    over = trio.Event()

    async def hold(stream: trio.abc.SendStream) -> None:
        await over.wait()

    async with world() as it:
        came = it.provider.log_in(await it.find())
        it.provider.answers["/token"] = hold
        outcomes: list[Identity | NoLogin] = []

        async def finish() -> None:
            outcomes.append(await it.finish(came))
            over.set()  # the first that is answered has found no place

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(finish)
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, NoLogin)]
        assert reasons.count("too many logins wait for the provider") == 2


async def test_it_is_killed_while_somebody_logs_in_and_the_next_login_works():
    async with world() as it:
        came = it.provider.log_in(await it.find())
        assert it.system.ref(paths.IDENTITY_PROVIDER).kill()
        outcome = None
        with trio.fail_after(5):
            while outcome is None:
                with suppress(CallError):
                    outcome = await it.finish(came)
                await trio.lowlevel.checkpoint()
        assert isinstance(outcome, Identity)
