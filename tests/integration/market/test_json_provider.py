"""JSON APIs by a declaration, over real sockets: what docs/providers.md says, and the stub."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import aclosing
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from structlog.testing import capture_logs

from mockserver.server import serve
from stockstream import part_settings
from stockstream.cli.providers.trying import try_one
from stockstream.config import Settings
from stockstream.errors import ConfigurationError
from stockstream.market.breaker_types import BreakerSettings
from stockstream.market.feeds.poll import PollFeed
from stockstream.market.feeds.poll_settings import PollSettings
from stockstream.market.providers import (
    HttpSettings,
    ProviderRefused,
    ProviderStatus,
    SymbolsNotFound,
)
from stockstream.market.providers.chosen import poll_provider
from stockstream.quotes import Symbol
from stockstream.sources import Source
from stockstream.upstreams import Upstream
from tests.integration.market.rogue import answer
from tests.unit.market.market_tree import Market

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
BLOCK = re.compile(r"```toml\n# (\S+)\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)
SHAPES = {name: (f"# {name}\n{text}", body) for name, text, body in BLOCK.findall(PAGE.read_text())}
KEY, SECRET = "id-hunter2", "secret-hunter3"
AT = 1_795_341_600_123
QUICK = BreakerSettings(wait=0.1, max_wait=0.1, jitter=0, slow_call=5)
SIMPLE = """
url = "https://api.example.com/quotes?s={symbols}&apikey={key}"
[fields]
symbol = "s"
price = "p"
time = "t"
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def declare(name, text):
    Path(name).write_text(text)


def open_declared(name, text, server, *keys, query=""):
    declare(name, text)
    url = f"json://{name}?url={server}{query}"
    return aclosing(poll_provider(Upstream("px", url, *(keys or [KEY])), HttpSettings())())


@pytest.fixture
async def stub(tmp_path, nursery):
    """The stub API, with a way to have it answer a request as a page's `body`."""
    (tmp_path / "expectations").mkdir()
    url = await nursery.start(partial(serve, "127.0.0.1", 0, tmp_path / "expectations"))
    async with httpx.AsyncClient(base_url=url) as client:

        async def answers(path, query, headers, body):
            told = {name: {"equalTo": value} for name, value in headers.items()}
            asked = {name: {"equalTo": value} for name, value in query.items()}
            request = {
                "method": "GET",
                "urlPath": path,
                "queryParameters": asked,
                **({"headers": told} if told else {}),
            }
            response = {"status": 200, "jsonBody": json.loads(body)}
            mapping = {"request": request, "response": response}
            (await client.post("/__admin/mappings", json=mapping)).raise_for_status()

        answers.url = url
        yield answers


def told(parsed):
    return {seen.symbol: seen.price for seen in parsed.observations}


def test_the_page_has_four_shapes():
    names = ["quotes.toml", "global-quote.toml", "snapshots.toml", "rates.toml"]
    assert list(SHAPES) == names
    for text, body in SHAPES.values():
        assert tomllib.loads(text)
        assert json.loads(body)


async def test_a_list_of_the_page(stub):
    text, body = SHAPES["quotes.toml"]
    headers = {"Authorization": f"Bearer {KEY}"}
    await stub("/v1/quotes", {"symbols": "AAPL,MSFT"}, headers, body)
    async with open_declared("quotes.toml", text, stub.url) as provider:
        assert provider.terms.starters == {"AAPL", "MSFT"}
        parsed = await provider.fetch(provider.terms.starters)
    assert told(parsed) == {"AAPL": 172.87, "MSFT": 512.5}
    seen = parsed.observations[0]
    assert (seen.timestamp, seen.currency, seen.exchange) == (AT, "USD", "XNAS")
    assert not parsed.rejects.total


async def test_one_symbol_in_a_request_of_the_page(stub):
    """And what this API says, with status 200, of one that it does not know, and of a wrong key."""
    text, body = SHAPES["global-quote.toml"]

    def asked(symbol):
        return {"function": "GLOBAL_QUOTE", "symbol": symbol, "apikey": KEY}

    none = '{"Global Quote": {"05. price": "0.0000"}}'
    await stub("/query", asked("IBM"), {}, body)
    await stub("/query", asked("NOSUCH"), {}, none)
    await stub("/query", asked("X"), {}, f'{{"Error Message": "the key {KEY} is invalid"}}')
    async with open_declared("global-quote.toml", text, stub.url) as provider:
        assert provider.terms.at_once == 1
        (seen,) = (await provider.fetch({Symbol("IBM")})).observations
        assert (seen.symbol, seen.price, seen.previous_close) == ("IBM", 291.93, 293.54)
        assert (seen.currency, seen.delayed, seen.delayed_seconds) == ("USD", True, 900)
        with pytest.raises(SymbolsNotFound, match=r"price of NOSUCH is '0\.0000'"):
            await provider.fetch({Symbol("NOSUCH")})
        with pytest.raises(Exception, match="answered with an error") as error:
            await provider.fetch({Symbol("X")})
    assert error.value.said == "the key ******** is invalid"


async def test_bare_numbers_of_the_page(stub):
    text, body = SHAPES["rates.toml"]
    await stub("/latest", {"pairs": "USDEUR"}, {}, body)
    declare("rates.toml", text)
    upstream = Upstream("px", f"json://rates.toml?url={stub.url}")
    async with aclosing(poll_provider(upstream, HttpSettings())()) as provider:
        (seen,) = (await provider.fetch({Symbol("USD-EUR")})).observations
    assert (seen.symbol, seen.price, seen.currency) == ("USD-EUR", 0.91, "EUR")


async def test_an_object_of_the_page(stub):
    text, body = SHAPES["snapshots.toml"]
    headers = {"X-Key-Id": KEY, "X-Key-Secret": SECRET}
    query = {"symbols": "BRK.B,BTC/USD", "feed": "test"}
    await stub("/v1/latest", query, headers, body)
    async with open_declared(
        "snapshots.toml", text, stub.url, KEY, SECRET, query="&feed=test"
    ) as provider:
        parsed = await provider.fetch({Symbol("BTC-USD"), Symbol("BRK-B")})
    assert told(parsed) == {"BTC-USD": 97000.5, "BRK-B": 480.25}
    assert {seen.timestamp for seen in parsed.observations} == {AT, AT - 123}
    assert not parsed.rejects.counts


async def test_what_has_not_changed_is_told_again(rogue):
    """By its tag, for the same address only; a tag that cannot be said back is not."""
    item = [{"s": "AAPL", "p": 150.25, "t": AT}]
    tags = ['etag: W/"1"']

    async def script(stream, head):
        unchanged = 'if-none-match: w/"1"' in head.lower()
        data = answer(b"", "304 Not Modified") if unchanged else None
        await stream.send_all(data or answer(json.dumps(item).encode(), headers=tags))

    rogue.script = script
    async with open_declared("prices.toml", SIMPLE, rogue.url) as provider:
        first = await provider.fetch({Symbol("AAPL")})
        again = await provider.fetch({Symbol("AAPL")})
        assert again.observations == first.observations
        assert "if-none-match" in rogue.requests[1].lower()
        await provider.fetch({Symbol("AAPL"), Symbol("MSFT")})
        assert "if-none-match" not in rogue.requests[2].lower()
        tags[:] = ["etag: W/\u00e9".encode().decode("latin-1")]
        await provider.fetch({Symbol("TSLA")})
        await provider.fetch({Symbol("TSLA")})
        assert "if-none-match" not in rogue.requests[4].lower()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "402 Payment Required"])
async def test_a_key_that_is_refused_is_in_no_text(rogue, status):
    """Though the server says it back."""
    rogue.always(answer(json.dumps({"message": f"{KEY} is wrong"}).encode(), status))
    async with open_declared("prices.toml", SIMPLE, rogue.url) as provider:
        with pytest.raises(ProviderRefused, match=f"status {status}: the key, or") as error:
            await provider.fetch({Symbol("AAPL")})
        assert error.value.said == "******** is wrong"
        assert provider.address == f"{rogue.url}/quotes?s={{symbols}}&apikey=********"
    assert "hunter" not in repr(vars(error.value)) + str(error.value) + repr(error.value)


async def test_statuses_may_be_about_the_symbols(rogue):
    """Which ones is declared. One that says that we ask too often, and not for how long, is left
    alone for a minute.
    """
    text = SIMPLE + "[symbols]\nunknown = [400, 403]"
    async with open_declared("prices.toml", text, rogue.url) as provider:
        for status, kind in (("403 Forbidden", SymbolsNotFound), ("404 No", ProviderStatus)):
            rogue.always(answer(b"no", status))
            with pytest.raises(kind):
                await provider.fetch({Symbol("AAPL")})
        for headers, seconds in (((), 60), (("retry-after: 7",), 7)):
            rogue.always(answer(b"no", "429 Slow", headers))
            with pytest.raises(ProviderStatus) as error:
                await provider.fetch({Symbol("AAPL")})
            assert error.value.retry_after == seconds


class JsonMarket(Market):
    """A market whose prices come by a declaration, in real time."""

    def __init__(self, upstream):
        self.upstream = upstream
        super().__init__(None, PollSettings(interval=0.03, jitter=0), QUICK)

    def poll_feed(self, name, settings):
        opened = poll_provider(self.upstream, HttpSettings())
        return PollFeed(name, opened, settings, self.tables)


async def test_the_feed_lives_whatever_comes_and_keeps_the_last_good_price(rogue, nursery):
    """Each trouble is counted by its kind; no key is in the log, the reason, or a count."""
    declare("prices.toml", SIMPLE + "[symbols]\nstart = ['AAPL']")
    good = {"s": "AAPL", "p": 150.25, "t": AT}
    bad = {
        "item_not_positive": [{"s": "MSFT", "p": 0, "t": AT}, good],
        "item_invalid_timestamp": [good, {"s": "MSFT", "p": 1, "t": AT * 1_000_000}],
        "item_missing_field": [None, good, {"s": "MSFT", "p": None, "t": AT}],
        "body_wrong_shape": KEY,
        "body_not_json": b"{" + KEY.encode(),
        "body_html": b"<html>" + KEY.encode(),
        "body_truncated": answer(b"[", length=99),
        "status_500": answer(KEY.encode(), "500 Oops"),
        "symbols_not_found": [],
    }
    rogue.always(answer(json.dumps([good]).encode()))
    url = f"json://prices.toml?url={rogue.url}"
    with capture_logs() as logs:
        market = JsonMarket(Upstream("api", url, KEY))
        nursery.start_soon(market.system.run, market.spec)
        await market.until(lambda: market.batches)
        for kind, body in bad.items():

            async def script(stream, head, body=body):
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                await stream.send_all(raw if raw.startswith(b"HTTP") else answer(raw))
                if raw.startswith(b"HTTP"):
                    await stream.aclose()

            rogue.script = script
            await market.until(lambda kind=kind: kind in market.troubles)
            assert market.tables.quotes.get(Symbol("AAPL")).quote.price == 150.25
            rogue.always(answer(json.dumps([good]).encode()))
        feed = market.feed
        market.system.stop()
    assert "hunter" not in str(logs) + str(feed) + str(market.troubles)


def settings_of(text, **more):
    return Settings(providers=(Source("px", text),), **more)


def test_what_is_wrong_stops_the_start_with_one_line():
    """That names the setting, the provider, the file and the key in it."""
    Path("prices.toml").write_text('url = "https://x/"\n[fields]\nsymbol = "s"\n')
    with pytest.raises(ConfigurationError) as error:
        part_settings.upstreams(settings_of("json://prices.toml"), None)
    assert str(error.value) == "PROVIDERS: px: prices.toml: fields.price: is missing"
    with pytest.raises(ConfigurationError, match="PROVIDERS: px: name the file after json://"):
        part_settings.upstreams(settings_of("json://"), None)
    with pytest.raises(ConfigurationError, match=r"px: 'none\.toml' cannot be read: No such file"):
        part_settings.upstreams(settings_of("json://none.toml"), None)


async def test_one_is_tried_at_a_shell(rogue, capsys, monkeypatch):
    """By the address of its file, with a key, before there is any server."""
    declare("prices.toml", SIMPLE)
    rogue.always(answer(json.dumps([{"s": "AAPL", "p": 150.25, "t": AT}, {"s": "X"}]).encode()))
    address = f"json://prices.toml?url={rogue.url}"
    with pytest.raises(ConfigurationError, match="wants a key: set TRY_API_KEY or"):
        await try_one(address, "AAPL")
    monkeypatch.setenv("TRY_API_KEY", KEY)
    assert await try_one(address, "aapl", seconds=0.3) == 0
    out = capsys.readouterr().out
    assert "AAPL 150.25 2026-11-22T10:00:00.123Z" in out
    assert "not understood (missing_field, 1)" in out
    assert "1 prices in 0 s" in out
    rogue.always(answer(b"no", "401 Unauthorized"))
    with trio.fail_after(5):
        assert await try_one(address, "aapl", seconds=60) == 1
    out = capsys.readouterr().out
    assert "failed (status_401): status 401 Unauthorized" in out
    assert "hunter" not in out
    with pytest.raises(ConfigurationError, match="by name; name one"):
        await try_one(address)
