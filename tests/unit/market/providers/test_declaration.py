"""What a file says of a JSON API: each error names its key, and no key of the API is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from stockstream.market.providers import InvalidProviderUrl
from stockstream.market.providers.json_api.api import JsonApi, json_api, open_file
from stockstream.market.providers.json_api.declaration import (
    LONGEST_FILE,
    InvalidDeclaration,
    read_declaration,
)
from stockstream.market.providers.json_api.places import BadPlace, read_place
from stockstream.quotes import parse_symbol
from stockstream.upstreams import Upstream

if TYPE_CHECKING:
    from pathlib import Path

URL = 'url = "https://api.example.com/q?symbols={symbols}"\n'
FIELDS = '[fields]\nsymbol = "s"\nprice = "p"\n'


def api(text: str, query: str = "", key: str | None = None) -> JsonApi:
    return json_api("prices.toml", read_declaration(text), query, Upstream("px", "json://", key))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = ", "it is no TOML: Invalid value"),
        (FIELDS, "url: is missing"),
        (URL, "fields: is missing"),
        (URL + "[fields]\nsymbol = 's'", "fields.price: is missing"),
        (URL + "fields = 3", "fields: must be a table, not a whole number"),
        (URL + FIELDS + "tme = 't'", "fields.tme: is unknown; there are price, symbol, time, "),
        (URL + "itmes = 'x'\n" + FIELDS, "itmes: is unknown; there are url, fields, items, "),
        (
            URL + "[fields]\nsymbol = 's'\nprice = 3",
            "fields.price: must be a text or a list, not a",
        ),
        (URL + "time_unit = 'min'\n" + FIELDS, "time_unit: must be one of s, ms, us, ns, iso, not"),
        (URL + "time_unit = 's'\n" + FIELDS, "time_unit: is of no use without fields.time"),
        (URL + FIELDS + "time = 'a..b'", "fields.time: 'a..b' is no path"),
        (URL + FIELDS + "time = []", "fields.time: has no place"),
        (URL + "[fields]\nprice = 'p'", "fields.symbol: is missing; only an API that is asked"),
        (URL + FIELDS + "[fixed]\ncurrency = '\t'", "fixed.currency: is"),
        (URL + FIELDS + "[options]\nfeed = {}", "options.feed: has no value"),
        (URL + FIELDS + "[options]\nkey = 'x'", "options.key: cannot be the name of an option"),
        (URL + FIELDS + "[symbols]\nunknown = [500]", "symbols.unknown: 500 is no status from 400"),
        (URL + FIELDS + "[symbols]\nat_once = 0", "symbols.at_once: must be from 1 to 1000, not 0"),
        (URL + FIELDS + "[symbols]\nstart = ['a b']", "symbols.start: invalid symbol 'a b'"),
        (URL + FIELDS + "[limits]\nper_minute = 0", "limits.per_minute: must be from 1 to"),
        (
            URL + FIELDS + "[limits]\ncounts = 'x'",
            "limits.counts: must be one of requests, symbols",
        ),
        (URL + FIELDS + "[headers]\n'a b' = 'x'", "headers.a b: is no name of a header"),
        (URL + FIELDS + "[headers]\nHost = 'x'", "headers.Host: is set by us"),
        (URL + FIELDS + "[headers]\nX-Api-Key = 'abc'", "headers.X-Api-Key: looks like a key"),
        (URL + FIELDS + '[headers]\nA = "b\\nc"', "headers.A: has characters that cannot be sent"),
        ("url = 'ftp://x'\n" + FIELDS, "url: is no address as https://"),
        ("url = 'https://a b/'\n" + FIELDS, "url: is no address as https://"),
        ("url = 'https://a..b/'\n" + FIELDS, "url: is no address as https://"),
        ("url = 'https://xn--/'\n" + FIELDS, "url: is no address as https://"),
        ('url = "https://x/\\u0000"\n' + FIELDS, "url: is no address as https://"),
        ("url = " + "[" * 30_000, "it is no TOML of use: lists or tables too deep"),
        ("url = 'https://a:b@x/'\n" + FIELDS, "url: holds a login"),
        ("url = 'https://x/?apikey=abcdef'\n" + FIELDS, "url: apikey looks like a key"),
        ("url = 'https://x/{key}/q'\n" + FIELDS, "url: has the key before the `?`"),
        ("url = 'https://{key}.com/q'\n" + FIELDS, "url: has a name in braces in its host"),
        ("url = 'https://x/?s={simbols}'\n" + FIELDS, "url: {simbols} is unknown; there are {key}"),
        ("url = 'https://x/{symbol}/{symbols}'\n" + FIELDS, "url: has {symbol} and {symbols}"),
        ("url = 'https://x/'\n" + FIELDS + "[symbols]\nat_once = 9", "symbols: is of no use"),
        (
            URL + "[fields]\nsymbol = '@key'\nprice = '@value'\ntime = 't'",
            'fields.time: is of no use beside price = "@value"',
        ),
        (URL + "[fields]\nsymbol = 's'\nprice = '@value'", "fields.symbol: is of no use beside"),
        (
            URL + "[fields]\nsymbol = '@key'\nprice = 'p'\ntime = '@value'",
            'fields.time: "@value" is for fields.price alone',
        ),
        (URL + "[fields]\nsymbol = '@value'\nprice = 'p'", 'fields.symbol: "@value" is for'),
        (URL + "[fields]\nprice = '@key'", 'fields.price: "@key" is for fields.symbol alone'),
    ],
)
def test_what_is_wrong_names_the_key(text: str, said: str) -> None:
    """In one line."""
    with pytest.raises(InvalidDeclaration) as error:
        read_declaration(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "abcdef" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "key", "said"),
    [
        ("per_day=1&per_day=2", None, "per_day is given twice"),
        ("fed=x", None, "prices.toml has no option 'fed', only feed, per_day, per_hour"),
        (
            "apikey=secret1",
            None,
            "only feed, per_day, per_hour, per_minute, per_second, url; a key",
        ),
        ("per_minute=many", None, "per_minute must be a whole number, 0 for no limit, not"),
        ("url=ftp://x", None, "the url= is no address as https://host[:port]"),
        ("url=http://xn--/", None, "the url= is no address as https://host[:port]"),
        ("feed=a%0d%0ab", None, "prices.toml: feed has characters that cannot be sent in a header"),
        ("feed=ä", None, "prices.toml: feed has characters that cannot be sent in a header"),
        ("", "k", "PX_API_KEY is set, and prices.toml has no {key} to put it in"),
    ],
)
def test_a_wrong_option_is_said(query: str, key: str | None, said: str) -> None:
    with pytest.raises(InvalidProviderUrl) as error:
        api(URL + FIELDS + "[options]\nfeed = 'live'\n[headers]\nX-Feed = '{feed}'", query, key)
    assert said in str(error.value)
    assert "secret1" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "prices.toml wants a key: set PX_API_KEY or PX_API_KEY_FILE"),
        ("k", "prices.toml wants a secret: set PX_API_SECRET or PX_API_SECRET_FILE"),
    ],
)
def test_a_key_that_is_wanted_is_said(key: str | None, said: str) -> None:
    with pytest.raises(InvalidProviderUrl) as error:
        api(URL + FIELDS + "[headers]\nA = '{key}'\nB = '{secret}'", "", key)
    assert said in str(error.value)


def test_what_is_asked_is_put_together() -> None:
    """With symbols as the API writes them; what the log is told holds no key."""
    one = api(
        'url = "https://api.example.com/v1/q?s={symbols}&feed={feed}&token={key}"\n'
        "[headers]\nAuthorization = 'Bearer {key}'\n"
        "[options]\nfeed = 'live'\n"
        f"{FIELDS}[symbols]\ndash = '/'\n[symbols.names]\nBRK-B = 'BRK.B'\n",
        "feed=a%26b&url=http://localhost:1080/mock/",
        "k&=1",
    )
    names = [one.written(symbol) for symbol in ("BTC-USD", "BRK-B")]
    assert names == ["BTC/USD", "BRK.B"]
    assert str(one.url_for(names)) == (
        "http://localhost:1080/mock/v1/q?s=BTC%2FUSD,BRK.B&feed=a%26b&token=k%26%3D1"
    )
    assert one.headers() == {"Authorization": "Bearer k&=1"}
    assert "k&=1" not in one.address + repr(one)
    assert "k%26%3D1" not in one.address


@pytest.mark.parametrize("symbol", [".", "..", "..-.."])
def test_no_symbol_leads_to_another_path(symbol: str) -> None:
    """Anybody may name one, and the key goes with the question."""
    one = api('url = "https://x/a/b/{symbol}/q"\n' + FIELDS + "[symbols]\ndash = '/'")
    written = one.written(parse_symbol(symbol))
    assert written is None or one.url_for([written]).raw_path.startswith(b"/a/b/")


def test_limits_let_no_more_through_than_they_say() -> None:
    """Whenever a minute begins; the address may set another plan's."""
    text = URL + FIELDS + "[limits]\nper_minute = 8\nper_day = 800\ncounts = 'symbols'"
    terms = api(text).terms
    assert [(one.burst, one.rate) for one in terms.limits] == [(2, 6 / 60), (200, 600 / 86_400)]
    assert terms.at_once == 2, "a request costs no more than there is at once"
    assert api(text, "per_minute=60").terms.limits[0].burst == 15


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidProviderUrl, match=r"prices\.toml' cannot be read: No such file"):
        open_file(tmp_path / "prices.toml")
    (tmp_path / "prices.toml").write_text(URL)
    with pytest.raises(InvalidProviderUrl, match=r"prices\.toml: fields: is missing"):
        open_file(tmp_path / "prices.toml")


def test_a_file_that_is_none_is_named_at_once(tmp_path: Path) -> None:
    """Nobody ever writes into the FIFO."""
    path = tmp_path / "prices.toml"
    os.mkfifo(path)
    with pytest.raises(InvalidProviderUrl, match=r"prices\.toml' cannot be read: it is no file"):
        open_file(path)
    with pytest.raises(InvalidProviderUrl, match="cannot be read: Is a directory"):
        open_file(tmp_path)
    path.unlink()
    path.write_text("#" + "ä" * LONGEST_FILE)
    with pytest.raises(InvalidProviderUrl, match=r"prices\.toml: is over 65536 bytes"):
        open_file(path)


def test_a_mark_of_the_byte_order_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (URL + FIELDS).replace("\n", "\r\n").encode())
    assert open_file(path).fields.price == "p"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", {"b": [1, {"c.d": 2}]}),
        ("a.b.0", 1),
        ("a.b.-1", {"c.d": 2}),
        ('a.b.1."c.d"', 2),
        ("a.b.2", None),
        ("a.b.x", None),
        ("a.b.0.x", None),
        ("x.y", None),
    ],
)
def test_places(text: str, found: object) -> None:
    assert read_place(text).find({"a": {"b": [1, {"c.d": 2}]}}) == found


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", '"a', '"a"b', "a. b", '""'])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(BadPlace):
        read_place(text)
