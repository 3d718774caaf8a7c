"""A key that a provider tells back is taken out of its words, however it is written there."""

import json
from urllib.parse import quote

import httpx
import pytest

from stockstream.market.providers.known_secrets import KnownSecrets

KEY = 'pk/3+="secret"'


@pytest.mark.parametrize(
    "words",
    [
        f"the key {KEY} is wrong",
        json.dumps({"error": KEY}),
        json.dumps({"error": KEY}).replace("/", "\\/"),
        f"GET /quote?token={quote(KEY, safe='')}",
        f"GET /quote?token={quote(KEY)}",
        "GET /quote?token=pk%2f3%2b%3d%22secret%22",
        "<p>pk/3+=&quot;secret&quot;",
        '{"error": "pk/3\\u002B=\\u0022secret\\u0022"}',
        '{"error": "pk\\u002f3\\u002b\\u003d\\u0022secret\\u0022"}',
    ],
)
def test_a_key_is_masked_as_it_may_be_written(words: str) -> None:
    """As itself, in JSON, and in an address; in a text and in bytes."""
    secrets = KnownSecrets(keys=[KEY])
    for masked in (secrets.masked(words), secrets.masked_bytes(words.encode()).decode()):
        assert "********" in masked
        assert "secret" not in masked
        assert "pk" not in masked


def test_what_is_no_key_stays() -> None:
    """Without a key nothing is masked, nor is a short word that stands inside of others."""
    assert KnownSecrets().masked("all of it") == "all of it"
    assert KnownSecrets(keys=["key"]).masked("the key is wrong") == "the key is wrong"
    of_both = KnownSecrets(httpx.URL("https://a.example/?token=in-address"), ["in-header"])
    assert of_both.masked("in-address in-header") == "******** ********"
