"""ID tokens that prove nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from stockstream.users.oidc.id_token import BadToken, Expected, UnknownKey, check_id_token
from stockstream.users.oidc.keys import KEEP_SECONDS, REFETCH_SECONDS, Kept, read_keys
from stockstream.users.oidc.metadata import ProviderMistake
from tests.support.identity_provider import KEY, encode, sign

ISSUER = "https://id.example"
NOW = 1_800_000_000
GOOD = {
    "iss": ISSUER,
    "aud": "us",
    "sub": "u-1",
    "nonce": "n-1",
    "iat": NOW,
    "exp": NOW + 300,
}
EXPECTED = Expected(ISSUER, "us", "n-1", {"RS256", "PS256", "ES256", "EdDSA"}, NOW)


@cache
def rsa(size: int = 2048) -> RSAKey:
    return RSAKey.generate_key(size, {"kid": "rsa"}, auto_kid=False)


def keys(*told: object):
    return read_keys(json.dumps({"keys": told}).encode())


def public(key, **more: object) -> dict[str, object]:
    return {**key.as_dict(private=False), **more}


KEYS = keys(public(KEY))


def check(token: str, known=KEYS):
    return check_id_token(token, known, EXPECTED)


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    "claims",
    [
        GOOD,
        {**GOOD, "aud": ["us"], "azp": "us"},
        {**GOOD, "aud": ["others", "us"], "azp": "us"},
        {**GOOD, "iat": NOW + 59, "exp": NOW - 59},
        {**GOOD, "iat": NOW - 500.5},
    ],
)
def test_a_token_for_us_is_believed(claims):
    assert check(sign(claims))["sub"] == "u-1"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({**GOOD, "iss": "https://evil.example"}, "'iss'"),
        ({**GOOD, "iss": f"{ISSUER}/"}, "'iss'"),
        ({**GOOD, "iss": [ISSUER]}, "'iss'"),
        ({**GOOD, "aud": "them"}, "'aud'"),
        ({**GOOD, "aud": ["them"]}, "'aud'"),
        ({**GOOD, "aud": []}, "'aud'"),
        ({**GOOD, "aud": ["them", "us"]}, "several audiences"),
        ({**GOOD, "azp": "them"}, "another client"),
        ({**GOOD, "azp": ["us"]}, "another client"),
        ({**GOOD, "exp": NOW - 61}, "expired"),
        ({**GOOD, "exp": str(NOW + 300)}, "'exp'"),
        ({**GOOD, "exp": True}, "'exp'"),
        ({**GOOD, "iat": NOW + 61}, "in the future"),
        ({**GOOD, "iat": NOW - 601}, "long ago"),
        ({**GOOD, "nbf": NOW + 61}, "not yet valid"),
        ({**GOOD, "nonce": "n-2"}, "another login"),
        ({**GOOD, "nonce": ["n-1"]}, "another login"),
        ({**GOOD, "sub": ""}, "'sub'"),
        ({**GOOD, "sub": 7}, "'sub'"),
        ({**GOOD, "sub": "x" * 256}, "subject"),
        ({**GOOD, "sub": "ä"}, "subject"),
        ({**GOOD, "sub": "u\x00"}, "subject"),
        *((without(name), name) for name in GOOD),
        (["no claims"], "no claims"),
        ("text", "no claims"),
    ],
)
def test_a_claim_that_is_not_as_it_must_be(claims, why):
    with pytest.raises(BadToken, match=why) as caught:
        check(sign(claims))
    assert not isinstance(caught.value, UnknownKey)


def test_a_token_that_nobody_signed_is_refused():
    head = encode(json.dumps({"alg": "none"}).encode())
    for signature in ("", "AAAA"):
        with pytest.raises(BadToken, match="signed by 'none'"):
            check(f"{head}.{encode(json.dumps(GOOD).encode())}.{signature}")


def test_a_public_key_is_no_secret_to_sign_with():
    """HS256 with the published key as its secret, in both of the forms that attackers try."""
    key = rsa()
    head = encode(json.dumps({"alg": "HS256", "kid": "rsa"}).encode())
    signed = f"{head}.{encode(json.dumps(GOOD).encode())}"
    for secret in (key.as_pem(private=False), json.dumps(public(key)).encode()):
        mark = encode(hmac.digest(secret, signed.encode(), hashlib.sha256))
        with pytest.raises(BadToken, match="signed by 'HS256'"):
            check(f"{signed}.{mark}", keys(public(key)))


def test_a_symmetric_key_among_the_keys_is_left_alone():
    shared = {"kty": "oct", "kid": "oct", "k": encode(b"k" * 32), "alg": "HS256"}
    assert [key.id for key in keys(shared, public(KEY)).keys] == ["one"]
    with pytest.raises(ProviderMistake, match="no key"):
        keys(shared)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_rsa_signs_by_both_of_its_ways(algorithm):
    token = sign(GOOD, rsa(), alg=algorithm, kid="rsa")
    assert check(token, keys(public(KEY), public(rsa())))["sub"] == "u-1"
    only = keys(public(rsa(), alg="PS256" if algorithm == "RS256" else "RS256"))
    with pytest.raises(UnknownKey):
        check(token, only)


def test_ed25519_signs():
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    token = sign(GOOD, key, alg="Ed25519", kid="ed")
    payload = token.split(".")[1]
    head = encode(json.dumps({"alg": "EdDSA", "kid": "ed"}).encode())
    mark = encode(key.private_key.sign(f"{head}.{payload}".encode()))
    assert check(f"{head}.{payload}.{mark}", keys(public(key)))["sub"] == "u-1"
    with pytest.raises(BadToken, match="Ed25519"):
        check(token, keys(public(key)))


def test_the_key_of_another_algorithm_with_the_same_id_does_not_count():
    """An RSA key under the id of ours, and ours under the id of the RSA key."""
    known = keys(public(rsa(), kid="one"))
    with pytest.raises(UnknownKey):
        check(sign(GOOD), known)
    with pytest.raises(UnknownKey):
        check(sign(GOOD, kid="rsa"), keys(public(KEY), public(rsa())))


def test_a_key_of_the_attacker_in_the_token_is_not_looked_at():
    evil = ECKey.generate_key("P-256", {"kid": "one"})
    for header in ({"jwk": public(evil)}, {"jku": "https://evil.example/keys"}, {}):
        with pytest.raises(BadToken, match="not the provider's"):
            check(sign(GOOD, evil, **header))


def test_a_key_for_encryption_or_with_too_few_bits_is_none():
    for told in (
        public(KEY, use="enc"),
        {**public(KEY), "use": None, "key_ops": ["encrypt"]},
        {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": encode(b"\xc1" * 128)},
        {
            "kty": "EC",
            "crv": "P-256",
            "kid": "off",
            "x": encode(b"\1" * 32),
            "y": encode(b"\1" * 32),
        },
        {"kty": "EC", "crv": "P-521", "kid": "other"},
        {"kty": "AKP", "kid": "quantum"},
        {"kty": ["EC"]},
        "no key",
    ):
        assert [key.id for key in keys(told, public(KEY, kid="good")).keys] == ["good"]


def test_without_an_id_there_must_be_one_key_only():
    assert check(sign(GOOD, kid=None))["sub"] == "u-1"
    two = keys(public(KEY), public(ECKey.generate_key("P-256", {"kid": "two"})))
    with pytest.raises(UnknownKey):
        check(sign(GOOD, kid=None), two)


def test_two_keys_with_one_id_are_both_tried():
    other = ECKey.generate_key("P-256", {"kid": "one"})
    assert check(sign(GOOD), keys(public(other), public(KEY)))["sub"] == "u-1"


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "é.b.c", "x" * 70_000, "e30.e30.", "bnVsbA.a.b"],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(BadToken):
        check(token)


def test_a_changed_token_is_refused():
    head, payload, mark = sign(GOOD).split(".")
    evil = encode(json.dumps({**GOOD, "sub": "root"}).encode())
    for token in (f"{head}.{evil}.{mark}", f"{head}.{payload}.", f"{head}.{payload}.{mark[:-4]}"):
        with pytest.raises(BadToken, match="not the provider's"):
            check(token)


def test_an_extension_that_must_be_understood_is_not():
    head = encode(
        json.dumps({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": False}).encode()
    )
    with pytest.raises(BadToken, match="extension"):
        check(f"{head}.{encode(json.dumps(GOOD).encode())}.AAAA")


def test_keys_are_believed_for_an_hour_and_asked_for_again_once_a_minute():
    kept = Kept()
    assert not kept.fresh(0)
    assert kept.may_refetch(0)
    kept.ask(0)
    kept.take(KEYS, 1)
    assert kept.fresh(KEEP_SECONDS)
    assert not kept.fresh(KEEP_SECONDS + 1)
    assert not kept.may_refetch(REFETCH_SECONDS - 1)
    assert kept.may_refetch(REFETCH_SECONDS)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[[["])
def test_what_are_no_keys_is_refused(body):
    with pytest.raises(ProviderMistake):
        read_keys(body)


def test_a_thousand_keys_are_not_tried():
    with pytest.raises(ProviderMistake, match="1,000 keys"):
        keys(*([public(KEY)] * 1000))
