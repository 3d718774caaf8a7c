"""`PROVIDERS` and `ROUTES`, as they are written."""

from __future__ import annotations

import pytest

from stockstream.quotes import Symbol
from stockstream.sources import InvalidSources, Route, read_providers, read_routes, routes_of


def test_providers_are_read_with_their_addresses() -> None:
    """A comma is part of an address unless the name of another provider follows."""
    text = "us=alpaca://?feed=iex, crypto=kraken://,px=https://a.example/q?fields=a,b&x=1"
    assert [(source.name, source.url) for source in read_providers(text)] == [
        ("us", "alpaca://?feed=iex"),
        ("crypto", "kraken://"),
        ("px", "https://a.example/q?fields=a,b&x=1"),
    ]
    (us, *_rest) = read_providers(text)
    assert (us.scheme, us.options, us.key_variable) == ("alpaca", {"feed": "iex"}, "US_API_KEY")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("kraken://", "provider 1 is not written as name=scheme"),
        ("crypto=kraken", "'crypto' is not written"),
        ("Crypto=kraken://", "'Crypto' is not written"),
        ("a=kraken://, a=sim://", "a is there twice"),
        ("a-b=kraken://, a_b=sim://", "the same key, A_B_API_KEY"),
    ],
)
def test_a_provider_that_cannot_be_meant_is_refused(text: str, what: str) -> None:
    """The message names the part."""
    with pytest.raises(InvalidSources, match=what):
        read_providers(text)


def test_no_message_shows_an_address() -> None:
    """It may hold a password."""
    for text in ("Us=https://me:secret@a.example/", "https://me:secret@a.example/"):
        with pytest.raises(InvalidSources) as refused:
            read_providers(text)
        assert "secret" not in str(refused.value)
    (source,) = read_providers("us=https://me:secret@a.example/?token=secret")
    assert "secret" not in str(source)
    assert "secret" not in repr(source)


def test_routes_are_read_longest_beginning_first() -> None:
    """A whole symbol before any beginning; a symbol may have a `=` in it."""
    routes = read_routes("*=us,us2, BTC-*=crypto, BTC-USD=us, EURUSD=X=fx")
    assert [(route.pattern, route.names) for route in routes] == [
        ("EURUSD=X", ("fx",)),
        ("BTC-USD", ("us",)),
        ("BTC-*", ("crypto",)),
        ("*", ("us", "us2")),
    ]
    first = next(route for route in routes if route.fits(Symbol("BTC-EUR")))
    assert first.names == ("crypto",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("crypto", "'crypto' is not written as pattern=name"),
        ("=crypto", "has no pattern"),
        ("B*C=crypto", "is no symbol, nor the beginning of one"),
        ("*=", "has no provider's name"),
        ("*=us,us", "names a provider twice"),
        ("*=us, *=us2", "is there twice"),
    ],
)
def test_a_route_that_cannot_be_meant_is_refused(text: str, what: str) -> None:
    """The message names the part."""
    with pytest.raises(InvalidSources) as refused:
        read_routes(text)
    assert what in str(refused.value)


def test_one_provider_tells_everything_and_several_need_routes() -> None:
    """Nobody guesses which of several knows a symbol."""
    one, two = read_providers("us=sim://, crypto=kraken://")
    assert routes_of([one], ()) == (Route("", whole=False, names=("us",)),)
    with pytest.raises(InvalidSources, match="which symbols come from which of us, crypto"):
        routes_of([one, two], ())
    with pytest.raises(InvalidSources, match="us2 is none of PROVIDERS"):
        routes_of([one, two], read_routes("*=us,us2"))
    with pytest.raises(InvalidSources, match="crypto of PROVIDERS is in no route"):
        routes_of([one, two], read_routes("*=us"))
