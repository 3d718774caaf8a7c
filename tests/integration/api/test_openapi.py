"""`/openapi.json` beside the running server: it is valid, whole, and what the routes really do."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import web.actor
from stockstream import paths
from stockstream.database.query import ask
from stockstream.history.recording import Record
from stockstream.times import now_ms
from stockstream.version import program_version
from tests.support.gateway import batch, tick
from tests.support.history import history_state
from tests.support.tree import running_tree
from tests.support.users import user_cookie
from web.api.openapi import undocumented
from web.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from tests.support.tree import Tree

Node = dict[str, Any]
NOT_FOUND = 404
UNAUTHORIZED = 401
CLUSTER = "/api/v1/cluster"
"""There is none on a single node."""
TOKENS = "/api/v1/tokens"
"""They take an account's login."""


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[Tree, httpx.AsyncClient]]:
    """A server with a database, some ticks of AAPL, and a browser's user."""
    async with (
        running_tree(database_url=url) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        with trio.fail_after(20):
            while not (await ready(tree, client)):  # noqa: ASYNC110 - over HTTP nobody is told
                await trio.sleep(0.02)
        at = now_ms() - 3_000_000
        ticks = [tick(n, ts=at + 60_000 * n, received=at + 60_000 * n) for n in range(40)]
        await ask(tree.system.ref(paths.DATABASE), Record([batch(1, *ticks)]))
        await client.get("/")  # the page gives the cookie
        assert user_cookie(client)
        yield tree, client


async def ready(tree: Tree, client: httpx.AsyncClient) -> bool:
    quote = await client.get("/api/v1/quotes/AAPL")
    return quote.status_code == 200 and bool((await history_state(tree))["ok"])


async def fetched(client: httpx.AsyncClient) -> Node:
    answer = await client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    found: Node = answer.json()
    assert found["info"]["version"] == program_version()
    return found


def operations(document: Node) -> dict[tuple[str, str], Node]:
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def faults(document: Node, operation: Node, answer: httpx.Response) -> list[str]:
    """Where an answer is not what the document says of it."""
    described = operation["responses"].get(str(answer.status_code))
    if described is None:
        return [f"{answer.status_code} is not described: {answer.text}"]
    headers = described.get("headers", {}).items()
    required = [name for name, header in headers if header.get("required", False)]
    missing = [name for name in required if name not in answer.headers]
    if "content" not in described:
        return missing + ([answer.text] if answer.content else [])
    schema = {**described["content"]["application/json"]["schema"], "$id": "urn:document"}
    whole = Draft202012Validator({**schema, "components": document["components"]})
    return missing + [error.message for error in whole.iter_errors(answer.json())]


async def test_the_document_is_valid_and_every_route_is_in_it(database_url: str) -> None:
    """By OpenAPI 3.1's own schema, references and defaults included; nothing is left out."""
    async with serving(database_url) as (_, client):
        document = await fetched(client)
    OpenAPIV31SpecValidator(document).validate()
    # What the other tests find answers by: it follows references, and finds what does not fit.
    operation = document["paths"]["/api/v1/quotes"]["get"]
    quote = {"symbol": "AAPL", "price": "high"}
    assert (
        faults(document, operation, httpx.Response(200, json={"as_of": None, "quotes": []})) == []
    )
    assert faults(document, operation, httpx.Response(200, json={"as_of": None, "quotes": [quote]}))
    assert faults(document, operation, httpx.Response(418, json={}))
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)
    for operation in operations(document).values():
        assert operation["summary"]
        assert all(parameter["description"] for parameter in operation.get("parameters", ()))
        assert all(answer["description"] for answer in operation["responses"].values())


async def test_every_route_of_the_running_app_is_documented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under `/api/v1`; a route that is not, is found."""
    made: list[QuartTrio] = []

    def kept(*given: Any) -> QuartTrio:
        made.append(create_app(*given))
        return made[-1]

    async def secret() -> str:
        return ""

    monkeypatch.setattr(web.actor, "create_app", kept)
    async with running_tree() as tree, httpx.AsyncClient(base_url=tree.url) as client:
        document = await fetched(client)
    app = made[-1]
    assert undocumented(app) == []
    there = {
        (method.lower(), re.sub(r"<(?:\w+:)?(.+?)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1")
    }
    assert set(operations(document)) == there
    app.add_url_rule("/api/v1/secret", view_func=secret)
    assert undocumented(app) == ["GET /api/v1/secret"]


@pytest.mark.proves("H11")
async def test_each_documented_route_answers_as_it_says(database_url: str) -> None:
    """Every GET with what it needs, every error that a bad parameter makes, by their schemas."""
    async with serving(database_url) as (_, client):
        document = await fetched(client)
        for (method, path), operation in operations(document).items():
            if method != "get":
                continue
            needed = {p["name"]: value_of(p) for p in operation.get("parameters", ())}
            query = {
                p["name"]: value_of(p)
                for p in operation.get("parameters", ())
                if p["in"] == "query" and p["required"]
            }
            answer = await client.get(path.format_map(needed), params=query)
            absent = "{number}" in path or "{token}" in path or path == CLUSTER
            expected = NOT_FOUND if absent else UNAUTHORIZED if path == TOKENS else 200
            assert answer.status_code == expected, (path, answer.text)
            assert faults(document, operation, answer) == [], path


@pytest.mark.proves("H11")
async def test_the_bounds_that_are_documented_are_those_that_hold(database_url: str) -> None:
    """At each bound 200, beyond it 422 with that field and no other; the same for choices."""
    tried = 0
    async with serving(database_url) as (_, client):
        document = await fetched(client)
        for (method, path), operation in operations(document).items():
            parameters = operation.get("parameters", [])
            if method != "get" or "{number}" in path:
                continue
            address = path.format_map({p["name"]: value_of(p) for p in parameters})
            query = {p["name"]: value_of(p) for p in parameters if p["required"]}
            query.pop("symbol", None)
            for parameter in (p for p in parameters if p["in"] == "query"):
                name = parameter["name"]
                good, bad = sides(parameter["schema"])
                for value in good:
                    answer = await client.get(address, params={**query, name: value})
                    assert answer.status_code == 200, (address, name, value, answer.text)
                for value in bad:
                    answer = await client.get(address, params={**query, name: value})
                    assert answer.status_code == 422, (address, name, value)
                    assert set(answer.json()["error"]["fields"]) == {name}
                    assert faults(document, operation, answer) == []
                    tried += 1
    assert tried > 20


async def test_what_changes_something_answers_as_it_says(database_url: str) -> None:
    """A watchlist's life and an alert rule's, and the errors on the way, by their schemas."""
    rule = {"symbol": "AAPL", "kind": "above", "threshold": 1e6}
    lives = [
        ("/api/v1/watchlists", {"name": "mine", "symbols": ["AAPL"]}, {"name": ""}),
        ("/api/v1/alerts/rules", rule, {**rule, "threshold": -1}),
    ]
    async with serving(database_url) as (_, client):
        document = await fetched(client)

        async def call(method: str, path: str, number: int | str = "", **more: Any) -> int:
            answer = await client.request(method, path.format(number=number), **more)
            operation = document["paths"][path][method]
            assert faults(document, operation, answer) == [], (method, path)
            if "content" in operation["responses"][str(answer.status_code)]:
                numbers.append(answer.json().get("id"))
            return answer.status_code

        for path, good, bad in lives:
            one = f"{path}/{{number}}"
            numbers: list[int | None] = []
            assert await call("post", path, json=good) == 201
            number = numbers[0]
            assert number is not None
            assert await call("post", path, json=good) == 409
            assert await call("post", path, json=bad) == 422
            assert await call("post", path, content=b"{}") == 415
            assert await call("get", one, number) == 200
            assert await call("put", one, number, json=good) == 200
            assert await call("delete", one, number) == 200
            assert await call("get", one, number) == NOT_FOUND
            assert await call("post", f"{one}/restore", number) == 200
            client.cookies.clear()
            assert await call("get", path) == 401
            await client.get("/")
        assert await call("post", "/api/v1/alerts/fired/read", json={"until": "x"}) == 422


def value_of(parameter: Node) -> str:
    schema = parameter["schema"]
    found = [*schema.get("examples", ()), *schema.get("enum", ()), "1"]
    return str(found[0])


def sides(schema: Node) -> tuple[list[str], list[str]]:
    """Values that a schema allows, and some just beyond."""
    match schema:
        case {"enum": [*values]}:
            return [str(value) for value in values], ["nonsense", ""]
        case {"minimum": least, "maximum": most}:
            return [str(most)], [str(least - 1), str(most + 1), "1.5", "x"]
        case {"format": "date-time"}:
            return [], ["yesterday", "2026-01-01T00:00:00"]
        case {"minLength": least, "maxLength": most}:
            return ["x" * least, "x" * most], ["x" * (least - 1), "x" * (most + 1)]
        case {"examples": [*values]}:
            return [str(value) for value in values], ["!!", ""]
        case _:
            return [], ["x", "1-2-3-4"]
