"""The REST API and the health checks of a running server: routes, errors, headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

import web.readiness
from stockstream.masks import MASK
from stockstream.messages import ForceCircuit
from stockstream.users.shares import new_token
from supervision import terminate_child
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from web import shared_page
from web.api import shares
from web.security import SECURITY_HEADERS
from web.watch import health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from tests.support.tree import Tree


@pytest.fixture
async def tree(nursery: trio.Nursery) -> AsyncIterator[Tree]:
    """A running server with AAPL at 150 and MSFT at 310."""
    api = PriceApi(nursery)
    api.put(AAPL=150.0, MSFT=310.0)
    await api.start()
    async with fed_by(api) as running:
        await seen(running, nursery)
        yield running
    api.stop()


async def seen(tree: Tree, nursery: trio.Nursery) -> None:
    """Wait until the feed is live."""
    async with connected(tree.websocket_url, nursery) as client:
        await client.wait_for(lambda: any(m.get("feed") == "live" for m in client.messages))


@pytest.fixture
async def http(tree: Tree) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=10) as client:
        yield client


async def test_quotes_are_listed_and_found_by_symbol(http: httpx.AsyncClient) -> None:
    """With all their fields; a symbol may be written in lower case."""
    listed = (await http.get("/api/v1/quotes")).json()
    assert listed["as_of"].endswith("Z")
    assert [quote["symbol"] for quote in listed["quotes"]] == ["AAPL", "MSFT"]
    answer = await http.get("/api/v1/quotes/aapl")
    assert answer.headers["content-type"] == "application/json"
    quote = answer.json()["quote"]
    assert set(quote) == {
        "symbol", "price", "timestamp", "version", "open", "previous", "exchange", "currency",
        "delayed", "delayed_seconds", "session", "name", "source", "previous_close", "base",
        "basis", "base_at", "day_zone", "changed", "state", "reason", "confirmed",
    }  # fmt: skip
    assert (quote["symbol"], quote["price"], quote["open"]) == ("AAPL", 150.0, 150.0)
    assert (quote["state"], quote["reason"], quote["source"]) == ("live", None, "api")
    assert quote["changed"] <= quote["confirmed"]
    assert quote["confirmed"] == answer.json()["as_of"]
    assert {key: listed["quotes"][0][key] for key in ("state", "reason", "changed")} == {
        key: quote[key] for key in ("state", "reason", "changed")
    }
    assert listed["quotes"][0]["confirmed"] >= listed["as_of"]


async def test_quotes_that_did_not_change_are_not_sent_again(
    tree: Tree, http: httpx.AsyncClient
) -> None:
    """304 for whoever has them, also where a proxy that compresses made the tag a weak one."""
    first = await http.get("/api/v1/quotes")
    assert first.headers["Cache-Control"] == "no-cache"
    tag = first.headers["ETag"]
    answers = {}
    for given in (tag, f'"other", {tag}', f"W/{tag}", '"other"'):
        answer = await http.get("/api/v1/quotes", headers={"If-None-Match": given})
        answers[given] = answer
        # A fetch may have ended meanwhile; then both its tag and its answer are new.
        assert (answer.status_code == 304) == (answer.headers["ETag"] in given)
        assert bool(answer.content) == (answer.status_code == 200)
        assert all(answer.headers[name] == value for name, value in SECURITY_HEADERS.items())
    assert answers['"other"'].status_code == 200


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("symbols=MSFT", ["MSFT"]),
        ("symbols=msft,aapl,MSFT", ["MSFT", "AAPL"]),
        ("symbols=NOPE,AAPL", ["AAPL"]),
    ],
)
async def test_quotes_of_some_symbols(
    query: str, symbols: list[str], http: httpx.AsyncClient
) -> None:
    """In the order in which they are named; what has no price is left out."""
    answer = await http.get(f"/api/v1/quotes?{query}")
    assert [quote["symbol"] for quote in answer.json()["quotes"]] == symbols


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("symbols=", "symbols"),
        ("symbols=AAPL,!!", "symbols"),
        ("symbols=A&symbols=B", "symbols"),
        ("symbols=" + ",".join(["A"] * 1_001), "symbols"),
        ("symbol=AAPL", "symbol"),
    ],
)
async def test_a_bad_question_for_quotes_names_its_parameter(
    query: str, field: str, http: httpx.AsyncClient
) -> None:
    """As everywhere in the API."""
    answer = await http.get(f"/api/v1/quotes?{query}")
    assert answer.status_code == 422
    assert set(answer.json()["error"]["fields"]) == {field}


async def test_symbols_are_listed(http: httpx.AsyncClient) -> None:
    """And whether these are all that the provider lists."""
    assert (await http.get("/api/v1/symbols")).json() == {
        "symbols": [
            {"symbol": "AAPL", "exchange": "TEST", "currency": None},
            {"symbol": "MSFT", "exchange": "TEST", "currency": None},
        ],
        "complete": True,
    }


async def test_symbols_are_found_by_what_somebody_types(http: httpx.AsyncClient) -> None:
    """Of those that there are, with their names; what cannot be a question is named."""
    found = (await http.get("/api/v1/symbols?q=aa&limit=1")).json()
    item = {"symbol": "AAPL", "exchange": "TEST", "currency": None, "name": None}
    assert found == {"symbols": [item], "complete": True}
    for query in ("q=", "q=%20", "q=" + "a" * 65, "q=a&q=b"):
        answer = await http.get(f"/api/v1/symbols?{query}")
        assert answer.status_code == 422, query
        assert "q" in answer.json()["error"]["fields"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "named"),
    [
        ("GET", "/api/v1/quotes/NOPE", 404, "unknown_symbol", "NOPE"),
        ("GET", "/api/v1/quotes/!!", 422, "invalid_parameter", "!!"),
        ("GET", "/api/v1/quotes/" + "A" * 3000, 422, "invalid_parameter", "3000 characters"),
        ("GET", "/api/v1/quotes/%3Cscript%3E", 422, "invalid_parameter", "<script>"),
        ("GET", "/api/v1/nothing", 404, "not_found", ""),
        ("GET", "/api/v2/quotes", 404, "not_found", ""),
        ("POST", "/api/v1/quotes", 405, "method_not_allowed", ""),
        ("DELETE", "/health/live", 405, "method_not_allowed", ""),
    ],
)
async def test_errors_of_the_api_are_json(
    method: str, path: str, status: int, code: str, named: str, http: httpx.AsyncClient
) -> None:
    """With a code for programs and a reason for people."""
    answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json()["error"]
    assert error["code"] == code
    assert named in error["reason"]
    assert error["reason"]
    if status == 405:
        assert "GET" in answer.headers["allow"]


async def test_errors_elsewhere_are_pages(http: httpx.AsyncClient) -> None:
    """For people, and with what they typed escaped."""
    answer = await http.get("/<script>alert(1)</script>")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in answer.text
    assert "404" in answer.text


async def test_a_body_that_is_too_large_is_refused(http: httpx.AsyncClient) -> None:
    """Nothing here takes a large one."""
    answer = await http.post("/admin/api/nothing", content=b"x" * 200_000)
    assert answer.status_code in {404, 413}


@pytest.mark.parametrize(
    "path",
    [
        "/static/" + "a" * 300,
        "/static/" + "a/" * 3_500,
        "/static/" + "%E2%82%AC" * 90,
        "/static/%ff%fe",
        "/static/js",
        "/static/../app.py",
        "/" + "a" * 7_000,
        "/%ff",
    ],
)
async def test_a_path_that_is_not_there_is_a_404_whatever_it_is_made_of(
    path: str, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No file system is asked for it, so none can fail on it; and it fills no log."""
    answer = await http.get(path)
    assert answer.status_code == 404
    assert all(answer.headers[name] == value for name, value in SECURITY_HEADERS.items())
    assert caplog.text == ""


KINDS = {
    "page": ("GET", "/", 200),
    "page without body": ("HEAD", "/", 200),
    "missing page": ("GET", "/nothing", 404),
    "api": ("GET", "/api/v1/quotes/AAPL", 200),
    "api error": ("GET", "/api/v1/quotes/NOPE", 404),
    "wrong method": ("POST", "/", 405),
    "options": ("OPTIONS", "/", 200),
    "health": ("GET", "/health/live", 200),
    "readiness": ("GET", "/health/ready", 200),
    "traffic": ("GET", "/health/traffic", 200),
    "static": ("GET", "/static/js/main.js", 200),
    "missing static": ("GET", "/static/nothing.js", 404),
    "no way out of static": ("GET", "/static/%2e%2e/app.py", 404),
    "admin": ("GET", "/admin/api/tree", 401),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_answer_carries_the_security_headers(
    kind: str, http: httpx.AsyncClient
) -> None:
    """Whatever it is; and an id to ask about it by, which is another one each time."""
    method, path, status = KINDS[kind]
    answer = await http.request(method, path)
    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    again = await http.request(method, path)
    assert len(answer.headers["x-request-id"]) >= 16
    assert answer.headers["x-request-id"] != again.headers["x-request-id"]
    if not path.startswith("/static/"):
        assert answer.headers["cache-control"] == "no-store"


async def test_a_crash_is_an_error_page_that_tells_nothing(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged with its trace; the server goes on."""

    def readiness(*_args: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(health, "readiness", readiness)
    answer = await http.get("/health/ready")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_server_error"
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "the secret reason" in caplog.text
    assert (await http.get("/health/live")).status_code == 200


async def test_no_log_has_the_token_of_a_shared_list(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the log would open the list with it."""

    def open_link(*_args: object) -> None:
        raise RuntimeError("it fails")

    token = new_token()
    for module, path in ((shared_page, "/shared/"), (shares, "/api/v1/shared/")):
        monkeypatch.setattr(module, "open_link", open_link)
        assert (await http.get(path + token)).status_code == 500
        assert f"GET {path}{MASK} failed" in caplog.text
    assert token not in caplog.text


async def test_ready_goes_with_the_feed_and_live_does_not(nursery: trio.Nursery) -> None:
    """Not ready before the first fetch; the process lives all the same."""
    api = PriceApi(nursery)
    api.put(AAPL=150.0)
    await api.start()
    api.stop()
    async with fed_by(api) as tree, httpx.AsyncClient(base_url=tree.url) as http:
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not_ready"
        assert answer.json()["checks"]["feed"]["ok"] is False
        assert (await http.get("/health/live")).json() == {"status": "live"}
        traffic = await http.get("/health/traffic")
        assert (traffic.status_code, traffic.json()) == (503, {"status": "starting"})
        await api.start()
        await seen(tree, nursery)
        traffic = await http.get("/health/traffic")
        assert (traffic.status_code, traffic.json()) == (200, {"status": "open"})
        answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        api.stop()


async def test_ready_goes_when_the_breaker_is_open_for_long(
    tree: Tree, http: httpx.AsyncClient, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays for a while, with the last prices; then it says what is wrong, until it is over."""
    await tree.system.ref("market/feeds/api/circuit_breaker").call(ForceCircuit("open", None))
    async with connected(tree.websocket_url, nursery) as client:
        await client.wait_for(lambda: any(m.get("circuit") == "open" for m in client.messages))
        assert (await http.get("/health/ready")).status_code == 200
        monkeypatch.setattr(web.readiness, "OPEN_TOO_LONG_SECONDS", 0.0)
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        breaker = answer.json()["checks"]["circuit_breaker"]
        assert (breaker["ok"], breaker["state"]) == (False, "open")
        assert breaker["open_seconds"] > 0
        await tree.system.ref("market/feeds/api/circuit_breaker").call(ForceCircuit("auto", None))
        await client.wait_for(lambda: client.status.get("circuit") == "closed")
        assert (await http.get("/health/ready")).status_code == 200


@pytest.mark.proves("W18")
async def test_without_the_manager_presence_is_not_known_now(
    tree: Tree, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and when to ask again."""
    assert (await http.get("/api/v1/presence")).status_code == 200
    await terminate_child(tree.system.ref("delivery"), "subscription_manager")
    answer = await http.get("/api/v1/presence")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_the_api_answers_while_actors_are_killed(http: httpx.AsyncClient, tree: Tree) -> None:
    """It reads the tables, which outlive them."""
    for path in (
        "market/streamer",
        "market/feeds/api/circuit_breaker",
        "delivery/broadcaster",
        "pubsub",
    ):
        tree.system.ref(path).kill()
        quotes = (await http.get("/api/v1/quotes")).json()["quotes"]
        assert [quote["price"] for quote in quotes] == [150.0, 310.0]
