"""OWASP ASVS 5.0, chapter V10, OAuth and OIDC: what of it is a client's and a relying party's.

V10.3, V10.4, V10.6 and V10.7 are of resource servers, authorization servers and providers, which
this server is none of: it takes access tokens of nobody. 10.5.5 is of back-channel logout, which
there is none of.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.config import Settings
from stockstream.users.oidc.attempts import Attempts, BadState
from stockstream.users.oidc.messages import Blame, Identity, NoLogin
from tests.support.oidc_world import HERE, World, world


def query_of(address: object) -> dict[str, str]:
    assert isinstance(address, str)
    return {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}


def refusal(outcome: object) -> str:
    assert isinstance(outcome, NoLogin), outcome
    assert outcome.blame in {Blame.LOGIN, Blame.SETUP}
    return outcome.reason


async def test_10_1_1_tokens_stay_on_the_server():
    """What comes of a login is who somebody is; no token is in it, nor in the browser's cookie."""
    async with world() as it:
        address = await it.find()
        assert query_of(address)["response_type"] == "code"
        who = await it.finish(it.provider.log_in(str(address)))
        assert isinstance(who, Identity)
        assert "not for us" not in repr(who) + str(it.cookie)
        assert not hasattr(who, "token")


async def test_10_1_2_only_what_this_browser_began_is_taken():
    """State, nonce and challenge are new in each transaction, and bound to the browser's cookie."""
    async with world() as it:
        one, two = query_of(await it.find()), query_of(await it.find())
        for name in ("state", "nonce", "code_challenge"):
            assert one[name] != two[name]
            assert len(one[name]) >= 43  # 256 bits
        another = Attempts(["a secret of the tests"]).begin(None, HERE, "/")
        for cookie in (None, another.cookie):
            with pytest.raises(BadState):
                it.attempts.resume(cookie, one["state"], HERE)


async def test_10_2_1_a_forged_return_makes_no_token_request():
    """By the state, before anything is asked; and by PKCE, should one get through."""
    async with world() as it:
        came = it.provider.log_in(str(await it.find()))
        with pytest.raises(BadState):
            await it.finish({**came, "state": "made up"})
        assert it.provider.count("/token") == 0
        theirs = World(it.system, it.provider, Attempts(["a secret of the tests"]))
        stolen = it.provider.log_in(str(await theirs.find()), code="stolen")
        assert "code" in refusal(await it.finish({**came, "code": stolen["code"]}))


async def test_10_2_2_an_answer_of_another_server_is_refused():
    """There is one provider, and still an answer that names another is none (RFC 9207)."""
    async with world() as it:
        came = it.provider.log_in(str(await it.find()))
        refused = refusal(await it.finish(came, iss="https://evil.example"))
        assert "another provider" in refused
        assert it.provider.count("/token") == 0


async def test_10_2_3_no_more_is_asked_for_than_a_name():
    assert Settings.model_fields["oidc_scopes"].default == "openid profile"
    async with world() as it:
        assert query_of(await it.find())["scope"] == "openid profile"


async def test_10_5_1_an_id_token_of_another_login_is_refused():
    async with world() as it:
        first = it.provider.log_in(str(await it.find()), code="first")
        nonce = it.provider.nonce
        second = it.provider.log_in(str(await it.find()), code="second")
        it.provider.nonce = nonce  # the token of the first, for the code of the second
        assert "nonce" in refusal(await it.finish(second))
        assert isinstance(await it.finish(first), Identity)


async def test_10_5_2_a_person_is_issuer_and_subject():
    """Whoever takes over a name or an address at the provider is somebody else."""
    async with world() as it:
        it.provider.claims = {"preferred_username": "ann", "email": "ann@example"}
        before = await it.log_in("before")
        it.provider.subject = "u-2"
        after = await it.log_in("after")
        assert isinstance(before, Identity)
        assert isinstance(after, Identity)
        assert before.name == after.name
        assert (before.issuer, before.subject) != (after.issuer, after.subject)


async def test_10_5_3_metadata_of_another_issuer_is_refused():
    async with world() as it:
        for other in (it.provider.url + "/", it.provider.url.upper(), "https://evil.example"):
            it.provider.metadata = {"issuer": other}
            assert "to the letter" in refusal(await it.find())


@pytest.mark.parametrize("audience", ["another", ["another"], [], None])
async def test_10_5_4_a_token_for_another_client_is_refused(audience):
    async with world() as it:
        it.provider.claims = {"aud": audience}
        assert "aud" in refusal(await it.log_in())


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_6_8_2_a_token_that_anybody_could_have_made_is_refused(algorithm):
    """Of chapter V6, and of the same tokens: signatures are checked, and unsigned is refused."""
    async with world() as it:
        it.provider.metadata = {"id_token_signing_alg_values_supported": [algorithm]}
        assert "signs ID tokens by none of" in refusal(await it.find())
