"""A proxy that the environment names: found, used, and said what is wrong with it."""

from __future__ import annotations

from contextlib import aclosing

import httpx
import pytest

from stockstream.market.providers import HttpProvider, InvalidProxy, ProviderError
from stockstream.proxies import choose_proxy
from tests.integration.market.rogue import answer

FAR = "http://prices.example:8080"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def refused(url):
    async with aclosing(HttpProvider(url)) as provider:
        with pytest.raises(ProviderError) as error:
            await provider.fetch(None)
    return error.value


async def test_prices_come_through_a_proxy_with_a_login(rogue, monkeypatch):
    monkeypatch.setenv("http_proxy", rogue.url.replace("://", "://me:hunter2@"))
    async with aclosing(HttpProvider(FAR)) as provider:
        assert len((await provider.fetch(None)).observations) == 2
    assert rogue.requests[0].startswith("GET http://prices.example:8080/api/stock-prices HTTP/1.1")
    assert "proxy-authorization: basic" in rogue.requests[0].lower()


async def test_a_proxy_that_wants_a_login_is_called_that(rogue, monkeypatch):
    """For http:// it is the status of the answer, for https:// that of the tunnel."""
    monkeypatch.setenv("ALL_PROXY", rogue.url)
    rogue.always(answer(b"", status="407 Proxy Authentication Required"))
    advice = "the proxy wants a login: ALL_PROXY=http://name:password@host:port"
    error = await refused(FAR)
    assert error.kind == "status_407"
    assert str(error) == f"status 407 Proxy Authentication Required; {advice}"
    error = await refused(FAR.replace("http:", "https:"))
    assert error.kind == "proxy_refused"
    assert str(error) == (
        f"the proxy that ALL_PROXY names answered 407 Proxy Authentication Required; {advice}"
    )


async def test_a_proxy_that_refuses_or_is_not_there_is_told_from_the_api(
    rogue, refused_port, monkeypatch
):
    monkeypatch.setenv("https_proxy", rogue.url)
    rogue.always(answer(b"", status="403 Forbidden"))
    error = await refused("https://prices.example")
    assert str(error) == "the proxy that https_proxy names answered 403 Forbidden"
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{refused_port}")
    error = await refused(FAR)
    assert error.kind == "connect_failed"
    assert str(error) == ("no connection to the proxy that http_proxy names: Connection refused")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, "ALL_PROXY: a proxy of socks5:// cannot be"),
        ({"HTTPS_PROXY": "127.0.0.1:x"}, "HTTPS_PROXY: 'http://127.0.0.1:x' is no address of"),
        ({"https_proxy": "http://me:hunter2@[::1"}, "https_proxy: 'http://********@[::1' is no"),
        ({"https_proxy": "127.0.0.1:99999"}, "https_proxy: 'http://127.0.0.1:99999' ends in no"),
        ({"https_proxy": "http://"}, "https_proxy: 'http://' has no host"),
        ({"no_proxy": "[::1"}, "no_proxy: '[::1' is no address of IPv6 in brackets"),
        ({"NO_PROXY": "a.example, b.example:x"}, "NO_PROXY: 'b.example:x' ends in no number"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variables, said):
    """In one line, without the password; whoever serves makes an error of the settings of it."""
    with pytest.raises(InvalidProxy) as error:
        choose_proxy(httpx.URL("https://prices.example"), variables)
    assert str(error.value).startswith(said)
    assert str(error.value).endswith(" (environment)")
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)


PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "variables", "chosen"),
    [
        ("https://p.example", {}, None),
        ("https://p.example", {"HTTPS_PROXY": PROXY}, "HTTPS_PROXY"),
        ("https://p.example", {"HTTPS_PROXY": "a:1", "https_proxy": PROXY}, "https_proxy"),
        ("https://p.example", {"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://h"}, "HTTPS_PROXY"),
        ("https://p.example", {"HTTP_PROXY": "127.0.0.1:x", "ALL_PROXY": PROXY}, "ALL_PROXY"),
        ("https://p.example", {"HTTPS_PROXY": "", "ALL_PROXY": PROXY}, "ALL_PROXY"),
        ("https://p.example", {"ALL_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ("https://p.example", {"ALL_PROXY": "socks5://h", "NO_PROXY": "p.example"}, None),
        ("https://a.p.example", {"ALL_PROXY": PROXY, "no_proxy": "x, .p.example"}, None),
        ("https://ap.example", {"ALL_PROXY": PROXY, "no_proxy": "p.example"}, "ALL_PROXY"),
        ("https://p.example", {"ALL_PROXY": PROXY, "no_proxy": "p.example:443"}, None),
        ("https://p.example", {"ALL_PROXY": PROXY, "no_proxy": "p.example:80"}, "ALL_PROXY"),
        ("http://10.1.2.3:80", {"ALL_PROXY": PROXY, "no_proxy": "10.0.0.0/8"}, None),
        ("http://[fd00::1]", {"ALL_PROXY": PROXY, "no_proxy": "[fd00::1]:80"}, None),
        ("http://[fd00::2]", {"ALL_PROXY": PROXY, "no_proxy": "fd00::1"}, "ALL_PROXY"),
    ],
)
def test_the_variable_that_counts(url, variables, chosen):
    """That of the scheme, then ALL_PROXY; one that is not used for this address harms nobody."""
    found = choose_proxy(httpx.URL(url), variables)
    assert (None if found is None else found.variable) == chosen
