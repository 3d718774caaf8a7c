"""What a provider says of itself."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.users.oidc.metadata import (
    ProviderMistake,
    authorization_url,
    metadata_url,
    read_metadata,
    why_unsafe,
)

ISSUER = "https://id.example/realms/main"
GOOD = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://id.example/auth",
    "token_endpoint": "https://token.example/token",
    "jwks_uri": "https://id.example/keys",
    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none", "ES512", "EdDSA"],
}


def told(**other: object) -> bytes:
    return json.dumps({**GOOD, **other}).encode()


def test_algorithms_are_those_of_key_pairs_on_both_sides():
    assert read_metadata(told(), ISSUER).algorithms == {"RS256", "EdDSA"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"<html>", "not what a provider says"),
        (b"[]", "not what a provider says"),
        (b"\xff", "not what a provider says"),
        (b"[" * 100_000, "not what a provider says"),
        (told(issuer=f"{ISSUER}/"), "to the letter, a slash at the end included"),
        (told(issuer="https://id.example/realms/Main"), "to the letter"),
        (told(issuer="https://evil.example"), "to the letter"),
        (told(token_endpoint=None), "token_endpoint"),
        (told(token_endpoint="http://id.example/token"), "must be https:"),
        (told(token_endpoint="http://127.0.0.1/token"), "must be https:"),
        (told(jwks_uri="file:///etc/passwd"), "must be as https://host"),
        (told(authorization_endpoint="javascript:alert(1)"), "must be as https://host"),
        (told(authorization_endpoint="https://id.example/a b"), "blank"),
        (told(authorization_endpoint="https://a:b@id.example/"), "no login"),
        (told(jwks_uri="https://[::1"), "is no address"),
        (told(id_token_signing_alg_values_supported=["HS256", "none"]), "none of RS256"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(body, wrong):
    with pytest.raises(ProviderMistake, match=wrong):
        read_metadata(body, ISSUER)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example", True),
        ("http://localhost:9400", True),
        ("http://127.0.0.1:9400", True),
        ("http://[::1]:9400", True),
        ("http://127.evil.example", False),
        ("http://id.example", False),
        ("https://id.example#x", False),
        ("https://id.example:x", False),
    ],
)
def test_without_tls_only_this_machine_is_believed(url, safe):
    assert (why_unsafe(url) is None) is safe


def test_the_address_asks_for_a_code_with_a_challenge():
    metadata = read_metadata(
        told(authorization_endpoint="https://id.example/auth?tenant=1"), ISSUER
    )
    values = {"state": "s&t", "nonce": "n", "code_challenge": "c"}
    url = authorization_url(metadata, "an id", "openid profile", "https://p.example/r", values)
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["1"],
        "response_type": ["code"],
        "client_id": ["an id"],
        "redirect_uri": ["https://p.example/r"],
        "scope": ["openid profile"],
        "code_challenge_method": ["S256"],
        "state": ["s&t"],
        "nonce": ["n"],
        "code_challenge": ["c"],
    }


@pytest.mark.parametrize("issuer", ["https://id.example/o/app/", "https://id.example/o/app"])
def test_an_issuer_may_end_in_a_slash(issuer):
    assert metadata_url(issuer) == "https://id.example/o/app/.well-known/openid-configuration"


def test_the_secret_stands_in_the_body_only_where_the_header_is_not_taken():
    both = ["client_secret_post", "client_secret_basic"]
    for methods, in_body in ((both, False), (both[:1], True), (["private_key_jwt"], False)):
        read = read_metadata(told(token_endpoint_auth_methods_supported=methods), ISSUER)
        assert read.secret_in_body is in_body
