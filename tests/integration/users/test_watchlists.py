"""Named watchlists over HTTP, on a real database: whose they are, what may be done, what stays."""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream import part_settings, paths
from stockstream.users.rows import MOST_DELETED
from stockstream.users.sections import MOST_SECTIONS
from stockstream.users.watchlists import LONGEST_NAME, MOST_LISTS, MOST_SYMBOLS
from tests.support.database import psql
from tests.support.history import select
from tests.support.tree import Tree, running_tree
from tests.support.users import fields_of, rows_are_there, user_cookie, visitor
from web.users.access import CHANGES, NEW_ROWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LISTS = "/api/v1/watchlists"


@asynccontextmanager
async def visited(database_url: str) -> AsyncIterator[tuple[Tree, httpx.AsyncClient]]:
    async with running_tree(database_url=database_url) as tree, visitor(tree) as me:
        await rows_are_there(me)
        yield tree, me


async def names(client: httpx.AsyncClient) -> list[str]:
    return [found["name"] for found in (await client.get(LISTS)).json()["watchlists"]]


async def audit(tree: Tree) -> list[tuple[Any, ...]]:
    """Action, name before and after, and symbols after, in order; all by one user."""
    rows = await select(
        tree.system.ref(paths.DATABASE),
        "SELECT who, what, action, before, after FROM audit ORDER BY id",
    )
    assert len({row[0] for row in rows}) <= 1
    assert {row[1] for row in rows} <= {"watchlists"}
    loaded = [(a, json.loads(b or "{}"), json.loads(c or "{}")) for _, _, a, b, c in rows]
    return [(a, b.get("name"), c.get("name"), c.get("symbols")) for a, b, c in loaded]


SOME_MORE_DELETED = """
INSERT INTO watchlists (owner, name, symbols, deleted_at)
SELECT owner, 'L' || n, symbols, deleted_at - interval '1 day' + (n / 5) * interval '1 us'
FROM watchlists, generate_series(1, 45) n
"""
"""Five of each microsecond: the number tells them apart."""


async def deleted(client: httpx.AsyncClient) -> list[str]:
    """All lists that can be restored, by as many answers as it takes."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = f"?cursor={cursor}" if cursor else ""
        answer = (await client.get(f"{LISTS}/deleted{asked}")).json()
        assert len(answer["watchlists"]) <= MOST_DELETED
        found += [each["name"] for each in answer["watchlists"]]
        cursor = answer["next_cursor"]
    return found


@pytest.mark.proves("H15")
async def test_a_list_is_made_changed_deleted_and_brought_back_and_the_audit_tells_of_it(
    database_url: str,
) -> None:
    """Each change has one audit entry with what was before and after; a deleted row stays."""
    async with visited(database_url) as (tree, me):
        made = await me.post(LISTS, json={"name": "  Big  tech ", "symbols": ["aapl", "AAPL"]})
        assert made.status_code == 201
        it = made.headers["Location"]
        assert made.json()["name"] == "Big tech"
        assert made.json()["symbols"] == ["AAPL"]
        answer = await me.patch(it, json={"add": ["msft", "tsla"], "remove": ["AAPL"]})
        assert answer.json()["symbols"] == ["MSFT", "TSLA"]
        assert (await me.patch(it, json={"add": ["MSFT"]})).json() == answer.json()
        renamed = (await me.put(it, json={"name": "Tech", "symbols": ["NFLX"]})).json()
        assert (renamed["name"], renamed["symbols"]) == ("Tech", ["NFLX"])
        assert (await me.get(it)).json() == renamed
        assert (await me.delete(it)).status_code == 200
        assert (await me.get(it)).status_code == 404
        assert (await me.delete(it)).status_code == 404
        assert await names(me) == []
        (kept,) = await select(
            tree.system.ref(paths.DATABASE),
            "SELECT name, symbols, deleted_at IS NOT NULL FROM watchlists",
        )
        assert kept == ("Tech", ["NFLX"], True)
        (gone,) = (await me.get(f"{LISTS}/deleted")).json()["watchlists"]
        assert {**gone, "deleted_at": None} == {
            **renamed,
            "changed_at": gone["deleted_at"],
            "deleted_at": None,
        }
        async with visitor(tree) as other:
            assert (await other.get(f"{LISTS}/deleted")).json()["watchlists"] == []
        psql(database_url, SOME_MORE_DELETED)
        assert await deleted(me) == ["Tech", *(f"L{number}" for number in range(45, 0, -1))]
        wrong = await me.get(f"{LISTS}/deleted?cursor=1")
        assert (wrong.status_code, fields_of(wrong)) == (422, {"cursor"})
        psql(database_url, "DELETE FROM watchlists WHERE name <> 'Tech'")
        back = (await me.post(f"{it}/restore")).json()
        assert {**back, "changed_at": None} == {**renamed, "changed_at": None}
        assert (await me.post(f"{it}/restore")).json() == back
        assert (await me.get(f"{LISTS}/deleted")).json()["watchlists"] == []
        assert await audit(tree) == [
            ("create", None, "Big tech", ["AAPL"]),
            ("change", "Big tech", "Big tech", ["MSFT", "TSLA"]),
            ("change", "Big tech", "Tech", ["NFLX"]),
            ("delete", "Tech", None, None),
            ("restore", None, "Tech", ["NFLX"]),
        ]


@pytest.mark.proves("H15")
async def test_a_list_is_put_in_order_and_in_sections_whatever_an_older_node_does(
    database_url: str,
) -> None:
    """Sections come with the list and go with a change; names are checked, symbols joined."""
    async with visited(database_url) as (tree, me):
        cars = {"name": " Cars  on sale", "symbols": ["tsla", "F"], "folded": True}
        body = {"name": "Mine", "symbols": ["F", "AAPL"], "sections": [cars]}
        made = await me.post(LISTS, json=body)
        it = made.headers["Location"]
        cars = {"name": "Cars on sale", "symbols": ["TSLA", "F"], "folded": True}
        assert made.json()["symbols"] == ["AAPL", "TSLA", "F"]
        assert made.json()["sections"] == [cars]
        # An older node knows the symbols alone, and leaves the other columns.
        await select(
            tree.system.ref(paths.DATABASE),
            "UPDATE watchlists SET symbols = '{AAPL,TSLA,MSFT}' RETURNING 1",
        )
        found = (await me.get(it)).json()
        assert found["symbols"] == ["AAPL", "MSFT", "TSLA"]
        assert found["sections"] == [{**cars, "symbols": ["TSLA"]}]
        moved = {"order": ["MSFT"], "sections": [{"name": "A", "symbols": ["AAPL", "GONE"]}]}
        changed = (await me.patch(it, json=moved)).json()
        assert changed["symbols"] == ["MSFT", "TSLA", "AAPL"]
        assert changed["sections"] == [{"name": "A", "symbols": ["AAPL"], "folded": False}]
        kept = (await me.put(it, json={"name": "Mine", "symbols": ["AAPL", "X"]})).json()
        assert (kept["symbols"], len(kept["sections"])) == (["X", "AAPL"], 1)
        assert (await me.put(it, json={"name": "Mine", "sections": []})).json()["sections"] == []
        wrong = [{"name": "A"}, {"name": "a"}, {"name": "\u0007"}, {"name": "B", "symbols": [" "]}]
        for method in ("PUT", "PATCH"):
            refused = await me.request(method, it, json={"name": "Mine", "sections": wrong})
            assert refused.status_code == 422
            assert fields_of(refused) == {
                "sections[1].name",
                "sections[2].name",
                "sections[3].symbols[0]",
            }
        many = [{"name": f"S{number}"} for number in range(MOST_SECTIONS + 1)]
        assert fields_of(await me.patch(it, json={"sections": many})) == {"sections"}


@pytest.mark.proves("H15")
async def test_positions_are_exact_and_their_owners_alone(database_url: str) -> None:
    """Set and taken away by symbol, wrong ones named, written to files; no link shows them."""
    async with visited(database_url) as (tree, me):
        long = {"quantity": "-0.000000000001", "cost": "123456789012345.123456789012"}
        told = {"aapl": {"quantity": "98715.50", "cost": "0", "currency": "USD"}, "F": long}
        body = {"name": "Mine", "symbols": ["AAPL", "F", "X"], "positions": told}
        made = await me.post(LISTS, json=body)
        it, apple = (
            made.headers["Location"],
            {"quantity": "98715.5", "cost": "0", "currency": "USD"},
        )
        assert made.json()["positions"] == {"AAPL": apple, "F": {**long, "currency": None}}
        ((kind, exact),) = await select(
            tree.system.ref(paths.DATABASE),
            "SELECT jsonb_typeof(positions #> '{F,cost}'), positions #>> '{F,cost}'"
            " FROM watchlists",
        )
        assert (kind, exact) == ("number", long["cost"])
        lines = (await me.get(f"{it}/file")).json()["text"].splitlines()
        assert lines[1:] == [
            "AAPL,,98715.5,0,USD",
            f"F,,{long['quantity']},{long['cost']},",
            "X,,,,",
        ]
        changed = {"X": {"quantity": "1"}, "F": None, "GONE": {"quantity": "1"}}
        found = (await me.patch(it, json={"positions": changed})).json()["positions"]
        assert found == {"AAPL": apple, "X": {"quantity": "1", "cost": None, "currency": None}}
        assert (await me.put(it, json={**body, "positions": None})).json()["positions"] == found
        assert list((await me.patch(it, json={"remove": ["X"]})).json()["positions"]) == ["AAPL"]
        share = (await me.post("/api/v1/shares", json={"watchlist": made.json()["id"]})).json()
        async with visitor(tree) as other:
            assert (await other.patch(it, json={"positions": changed})).status_code == 404
            shown = (await other.get(f"/api/v1/shared/{share['token']}")).json()
            assert set(shown) == {"name", "symbols", "sections"}
            assert "98715" not in (await other.get(f"/shared/{share['token']}")).text
        wrong = {
            "A": {"quantity": "0.0"},
            "B": {"quantity": "1e3", "cost": "-1", "currency": "$"},
            "C": {"quantity": "1" * 16},
            " ": {"quantity": "1"},
        }
        for refused in (
            await me.patch(it, json={"positions": wrong}),
            await me.post(LISTS, json={"name": "y", "positions": wrong}),
        ):
            assert fields_of(refused) == {
                "positions.A.quantity",
                "positions.B.quantity",
                "positions.B.cost",
                "positions.B.currency",
                "positions.C.quantity",
                "positions. ",
            }
        anew = (await me.put(it, json={"name": "Mine", "symbols": ["F"], "positions": {}})).json()
        assert anew["positions"] == {}


@pytest.mark.proves("H15")
async def test_a_change_whose_audit_fails_is_not_made(database_url: str) -> None:
    """They are one transaction."""
    async with visited(database_url) as (tree, me):
        database = tree.system.ref(paths.DATABASE)
        await select(database, "ALTER TABLE audit ADD CONSTRAINT none CHECK (false)")
        assert (await me.post(LISTS, json={"name": "x"})).status_code == 500
        assert await select(database, "SELECT * FROM watchlists") == []


@pytest.mark.proves("H15")
async def test_a_user_sees_nothing_of_another_and_a_forged_cookie_is_nobody(
    database_url: str,
) -> None:
    """Another's list is not there, whatever is tried; without a valid cookie it is 401."""
    async with visited(database_url) as (tree, me):
        it = (await me.post(LISTS, json={"name": "Mine", "symbols": ["AAPL"]})).headers["Location"]
        async with visitor(tree) as other:
            assert await names(other) == []
            assert (await other.post(LISTS, json={"name": "Mine"})).status_code == 201
            answers = [
                await other.get(it),
                await other.put(it, json={"name": "Stolen"}),
                await other.patch(it, json={"name": "Stolen"}),
                await other.delete(it),
                await other.post(f"{it}/restore"),
            ]
            assert {answer.status_code for answer in answers} == {404}
        assert await names(me) == ["Mine"]
        name, value = user_cookie(me)
        user, _, signature = value.rpartition(".")
        wrong = "0" if signature[-1] != "0" else "1"
        for forged in ("", user, f"{user}x.{signature}", f"{user}.{signature[:-1]}{wrong}"):
            async with httpx.AsyncClient(base_url=tree.url) as nobody:
                answer = await nobody.get(LISTS, headers={"Cookie": f"{name}={forged}"})
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "no_user"


async def test_behind_a_proxy_that_is_trusted_and_speaks_tls_the_cookie_is_secure() -> None:
    """And not because anybody says so."""
    told = {"X-Forwarded-Proto": "https"}
    async with running_tree(trusted_proxies="127.0.0.1") as tree, visitor(tree) as me:
        given = (await me.get("/", headers=told)).headers["Set-Cookie"]
        assert "Secure" in given
        assert given.startswith(f"__Host-{user_cookie(me)[0]}=")
    async with (
        running_tree(trusted_proxies="127.0.0.1", base_path="/stocks") as tree,
        httpx.AsyncClient() as me,
    ):
        given = (await me.get(f"{tree.url}/stocks/", headers=told)).headers["Set-Cookie"]
        assert given.startswith("stockstream_user_"), "a browser would refuse the other name"
        assert "Secure" in given
    async with running_tree() as tree, visitor(tree) as me:
        assert "Secure" not in (await me.get("/", headers=told)).headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": 7}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": "x" * (LONGEST_NAME + 1)}, {"name"}),
        ({"name": "a\u0000b"}, {"name"}),
        ({"name": "a\u202eb"}, {"name"}),
        ({"name": "x", "symbols": "AAPL"}, {"symbols"}),
        ({"name": "x", "symbols": ["AAPL", "!!", "", "MSFT"]}, {"symbols[1]", "symbols[2]"}),
        ({"name": "x", "symbols": [1]}, {"symbols[0]"}),
        ({"name": "x", "symbols": [f"S{n}" for n in range(MOST_SYMBOLS + 1)]}, {"symbols"}),
        ({"name": "x", "owner": "me"}, {"owner"}),
        ([], {"body"}),
    ],
)
async def test_a_bad_field_is_named_also_without_a_database(body: Any, fields: set[str]) -> None:
    """422, with what is wrong with each field."""
    async with running_tree() as tree, visitor(tree) as me:
        answer = await me.post(LISTS, json=body)
        assert answer.status_code == 422, answer.text
        assert fields_of(answer) == fields


async def test_what_is_no_json_or_from_a_foreign_page_is_refused() -> None:
    """400, 415 and 403, before anything is asked; reading is not a change."""
    async with running_tree() as tree, visitor(tree) as me:
        json_type = {"Content-Type": "application/json"}
        assert (await me.post(LISTS, content=b"{", headers=json_type)).status_code == 400
        deep = b"[" * 5000
        assert (await me.post(LISTS, content=deep, headers=json_type)).status_code in {400, 422}
        assert (await me.post(LISTS, data={"name": "x"})).status_code == 415
        foreign = {"Origin": "https://evil.example"}
        answer = await me.post(LISTS, json={"name": "x"}, headers=foreign)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "forbidden_origin"
        assert (await me.delete(f"{LISTS}/1", headers=foreign)).status_code == 403


@pytest.mark.proves("H15")
async def test_names_and_numbers_have_limits_however_many_ask_at_once(database_url: str) -> None:
    """409 names the culprit; of two equal names at once one wins; a deleted name is free."""
    async with visited(database_url) as (_, me):
        answers: list[httpx.Response] = []

        async def make(name: str) -> None:
            answers.append(await me.post(LISTS, json={"name": name}))

        async with trio.open_nursery() as nursery:
            for name in ("Same", "same", "SAME"):
                nursery.start_soon(make, name)
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert fields_of(refused) == {"name"}
        answers.clear()
        async with trio.open_nursery() as nursery:
            for number in range(MOST_LISTS + 4):
                nursery.start_soon(make, f"List {number}")
        full = [answer for answer in answers if answer.status_code == 409]
        assert len(full) == 5
        assert all(fields_of(answer) == {"lists"} for answer in full)
        lists = (await me.get(LISTS)).json()["watchlists"]
        assert len(lists) == MOST_LISTS
        assert lists == sorted(lists, key=lambda found: found["name"].lower())
        one, two = (f"{LISTS}/{found['id']}" for found in lists[:2])
        assert (await me.patch(one, json={"name": lists[1]["name"]})).status_code == 409
        await me.delete(two)
        assert (await me.patch(one, json={"name": lists[1]["name"]})).status_code == 200
        taken = await me.post(f"{two}/restore")
        assert (taken.status_code, fields_of(taken)) == (409, {"name"})
        many = [f"S{number}" for number in range(MOST_SYMBOLS)]
        assert (await me.patch(one, json={"add": many})).status_code == 200
        over = await me.patch(one, json={"add": ["ONE-MORE"]})
        assert (over.status_code, fields_of(over)) == (409, {"symbols"})


async def test_an_address_that_changes_without_pause_is_slowed_down() -> None:
    """429 with Retry-After, however slow the machine is; reading goes on. A /64 counts as one."""
    answers: list[httpx.Response] = []
    numbers = itertools.count(1)
    async with running_tree(trusted_proxies="127.0.0.1") as tree, visitor(tree) as me:

        async def change(network: str = "2001:db8:0:1") -> httpx.Response:
            headers = {"X-Forwarded-For": f"[{network}::{next(numbers):x}]:5566"}
            answer = await me.post(LISTS, json={"name": "x"}, headers=headers)
            answers.append(answer)
            return answer

        with trio.fail_after(60):
            while all(answer.status_code == 503 for answer in answers):
                async with trio.open_nursery() as nursery:
                    for _ in range(40):
                        nursery.start_soon(change)
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(answers) - len(refused) >= CHANGES.burst
        assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
        assert (await me.get(LISTS)).status_code == 503
        assert (await change("2001:db8:0:2")).status_code == 503


async def test_what_an_address_makes_has_a_pace_of_its_own(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users cost nothing, and what they make stays: a new cookie does not help. Changes go on."""
    monkeypatch.setattr(part_settings, "NEW_ROWS", replace(NEW_ROWS, burst=3, seconds=60.0))
    async with visited(database_url) as (tree, me), visitor(tree) as other:
        made = [
            await who.post(LISTS, json={"name": f"{n}"}) for n in range(2) for who in (me, other)
        ]
        assert [answer.status_code for answer in made] == [201, 201, 201, 429]
        assert 10 < int(made[-1].headers["Retry-After"]) <= 20
        rule = {"symbol": "AAPL", "kind": "above", "threshold": 1}
        assert (await other.post("/api/v1/alerts/rules", json=rule)).status_code == 429
        wrong = {**rule, "threshold": -1}
        assert (await other.post("/api/v1/alerts/rules", json=wrong)).status_code == 422
        assert (await me.put(made[0].headers["Location"], json={"name": "new"})).status_code == 200


@pytest.mark.proves("H10")
async def test_without_a_database_lists_say_when_to_come_back_and_prices_flow() -> None:
    """503 with Retry-After, and quotes are served."""
    async with running_tree() as tree, visitor(tree) as me:
        for answer in (
            await me.get(LISTS),
            await me.post(LISTS, json={"name": "x"}),
            await me.delete(f"{LISTS}/1"),
        ):
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        with trio.fail_after(10):
            while not (await me.get("/api/v1/quotes")).json()["quotes"]:  # noqa: ASYNC110
                await trio.sleep(0.02)


async def test_numbers_that_no_row_can_have_are_not_found() -> None:
    """404, without asking."""
    async with running_tree() as tree, visitor(tree) as me:
        for number in ("x", "-1", "1.5", "9" * 30, str(2**63), "٣"):
            assert (await me.get(f"{LISTS}/{number}")).status_code == 404
        assert (await me.request("LOCK", LISTS)).status_code == 405


@pytest.mark.parametrize(
    "body",
    [b'{"name":"\xff\xfe"}', b'{"\xff":1}', b"\xff", b'{"name":"\\ud800"}', b""],
)
async def test_bytes_that_are_no_json_are_refused_by_name(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """400, before anything is asked of a database; never an error of ours."""
    async with running_tree() as tree, visitor(tree) as me:
        for method in ("POST", "PUT", "PATCH"):
            answer = await me.request(
                method,
                LISTS if method == "POST" else f"{LISTS}/1",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] == "bad_json"
        assert "Traceback" not in caplog.text
