"""What operators may do, attacked: by other pages, with rubbish, twice at once, after it is gone.

Who may do what at all is in `tests/integration/users/test_matrix.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import trio

from stockstream import paths
from stockstream.database.query import ask as db_ask
from stockstream.users.api_tokens import new_token
from stockstream.users.roles import Role, Scope
from stockstream.users.token_rows import ApiToken, CreateToken
from tests.integration.admin.operators import by_token, log_in, somebody, token_of
from tests.integration.admin.test_access import csrf_of
from tests.support import people
from tests.support.people import CHEAP_SETTINGS, add_account
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

API = "/admin/api"
ACTIONS: Mapping[str, tuple[object, str, str | None, frozenset[int]]] = {
    "POST /actions/fetch": ({"upstream": "sim"}, "action.fetch", "sim", frozenset({200})),
    "POST /actions/reconnect": ({}, "action.reconnect", "database", frozenset({200})),
    "POST /actions/restart": (
        {"path": "pubsub", "reason": "a test"},
        "action.restart",
        "pubsub",
        frozenset({200, 503}),
    ),
    "POST /actions/drain": ({"share": 1}, "action.drain", None, frozenset({200})),
    "DELETE /actions/drain": (None, "action.end_drain", None, frozenset({200})),
    "POST /connections/1/close": ({"name": "gone"}, "connection.close", "gone", frozenset({404})),
    "POST /jobs/purge/run": ({}, "job.run", "purge", frozenset({200, 409})),
    "POST /webhooks/1/post": ({}, "webhook.post_again", "1", frozenset({404})),
    "POST /mail/1/send": ({}, "mail.send_again", "1", frozenset({404})),
    "PUT /loggers/bus": (
        {"level": "debug", "seconds": 5},
        "log_level.lend",
        "bus",
        frozenset({200}),
    ),
    "DELETE /loggers/bus": (None, "log_level.take_back", "bus", frozenset({200})),
    "POST /chaos/inject": (
        {"action": "kill", "target": "pubsub"},
        "chaos.inject",
        "pubsub",
        frozenset({200, 404, 409, 503}),
    ),
    "POST /chaos/halt": ({}, "chaos.halt", None, frozenset({200})),
}
"""By route: a body, what the audit calls it, its target, and what it may answer, also twice at
once, and where what it is about is gone."""
MAIL = {
    "smtp_url": "smtp://127.0.0.1:1",
    "mail_from": "a@example.com",
    "public_url": "http://x.example",
}
FORGED = (
    {},
    {"X-CSRF-Token": "0" * 64},
    {"X-CSRF-Token": "é"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)
"""Headers of a request that another page may have had the browser send."""
RUBBISH = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b'{"x": 1}',
    b'{"path": 1, "name": 1, "upstream": 1, "action": 1, "share": "all", "level": 7}',
    b'{"path": "a\\u0000b", "name": "a\\u0000b", "upstream": "a\\u0000b"}',
    b'{"share": 1e400}',
    b'{"share": -1, "over_seconds": 1e300}',
    b'{"path": "' + b"x" * 100_000 + b'"}',
    b"[" * 10_000,
)
NUMBERS = (
    "0",
    "-1",
    "1.5",
    "9" * 30,
    str(2**63),
    "x",
    "%00",
    "..%2f..%2factions%2freconnect",
    "%201",
)


async def ask(
    client: httpx.AsyncClient, action: str, body: object, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    method, path = action.split()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    # httpx would take the text of a header as ASCII.
    told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return await client.request(method, API + path, content=content, headers=told)


async def test_no_other_page_does_anything_by_an_operators_login(database_url: str) -> None:
    """By the admin token's session and by an account's: refused, and nothing was begun."""
    settings = {"database_url": database_url, "chaos_enabled": True, **CHEAP_SETTINGS, **MAIL}
    async with running_tree(**settings) as tree:
        await add_account(tree, "ann", Role.ADMIN)
        async with somebody(tree) as glass, somebody(tree) as account, by_token(tree) as program:
            await log_in(glass, token_of(tree))
            assert (await people.log_in(account, "ann")).status_code == 303
            for client in (glass, account):
                for action, (body, *_) in ACTIONS.items():
                    for headers in FORGED:
                        answer = await ask(client, action, body, headers)
                        told = (answer.status_code, answer.json()["error"]["code"])
                        assert told == (403, "wrong_csrf_token"), (action, headers)
            entries = (await program.get(f"{API}/audit")).json()["entries"]
            names = {entry["action"] for entry in entries}
            assert not names & {name for _, name, *_ in ACTIONS.values()}, names
            assert tree.actors()[paths.PUBSUB].generation == 1


def needed_for(action: str) -> frozenset[Scope]:
    """The scopes without which it is refused."""
    if "/chaos/" in action:
        return frozenset({Scope.ADMIN_READ, Scope.CHAOS_RUN})
    if "/actions/" in action:
        return frozenset({Scope.ADMIN_WRITE})
    return frozenset({Scope.ADMIN_READ, Scope.ADMIN_WRITE})


async def test_a_token_does_what_its_scopes_are_for(database_url: str) -> None:
    """Though its account may do all: one with all scopes but one that is needed does nothing, and
    one with just those that are needed does it. What is refused leaves nothing in the audit.
    """
    settings = {"database_url": database_url, "chaos_enabled": True, **CHEAP_SETTINGS, **MAIL}
    async with running_tree(**settings) as tree, by_token(tree) as program:
        ann = await add_account(tree, "ann", Role.ADMIN)

        async def program_of(scopes: frozenset[Scope]) -> dict[str, str]:
            token = new_token()
            query = CreateToken(people.BY, ann.id, "program", scopes, 60.0, token)
            assert isinstance(await db_ask(tree.system.ref(paths.DATABASE), query), ApiToken)
            return {"Authorization": f"Bearer {token.text}"}

        without = {one: await program_of(frozenset(Scope) - {one}) for one in Scope}
        for action, (body, *_) in ACTIONS.items():
            for one in needed_for(action):
                answer = await ask(program, action, body, without[one])
                told = (answer.status_code, answer.json()["error"]["code"])
                assert told == (403, "missing_scope"), (action, one)
        entries = (await program.get(f"{API}/audit")).json()["entries"]
        assert not {entry["action"] for entry in entries} & {
            name for _, name, *_ in ACTIONS.values()
        }
        just = {scopes: await program_of(scopes) for scopes in map(needed_for, ACTIONS)}
        for action, (body, _, _, may_answer) in ACTIONS.items():
            answer = await ask(program, action, body, just[needed_for(action)])
            assert answer.status_code in may_answer, (action, answer.text)
        (line,) = await lines_of(program, "job.run")
        assert line["who"] == "ann"


async def test_rubbish_is_refused_by_name_and_breaks_nothing() -> None:
    """Bodies that are none, and numbers that are none: told what is wrong, never a 500."""
    async with running_tree(chaos_enabled=True, **MAIL) as tree, by_token(tree) as program:
        for action, (body, *_) in ACTIONS.items():
            for rubbish in RUBBISH if body else ():
                answer = await ask(program, action, rubbish)
                told = (action, rubbish[:40], answer.status_code, answer.text[:200])
                assert 400 <= answer.status_code < 500, told
                assert answer.json()["error"]["code"], told
        for route in ("connections/{}/close", "webhooks/{}/post", "mail/{}/send", "jobs/{}/run"):
            for number in NUMBERS:
                answer = await ask(program, f"POST /{route.format(number)}", {"name": "gone"})
                told = (route, number, answer.status_code, answer.text[:200])
                # Without a database it cannot be looked up, which is said.
                assert 400 <= answer.status_code < 500 or answer.status_code == 503, told
        assert tree.crashes == []


async def test_each_action_leaves_its_lines_in_the_audit(database_url: str) -> None:
    """Done twice at once, by the admin token and by an account: a line each, with who and what."""
    settings = {"database_url": database_url, "chaos_enabled": True, **CHEAP_SETTINGS, **MAIL}
    async with running_tree(**settings) as tree:
        await add_account(tree, "ann", Role.ADMIN)
        async with somebody(tree) as glass, people.browser(tree) as account:
            await log_in(glass, token_of(tree))
            (login,) = await lines_of(glass, "break_glass.login")
            assert login["credential"].startswith("break-glass session ")
            tokened = {"X-CSRF-Token": await csrf_of(glass)}
            assert (await people.log_in(account, "ann")).status_code == 303
            for action, (body, name, target, may_answer) in ACTIONS.items():
                codes: list[int] = []

                async def do(
                    client: httpx.AsyncClient,
                    headers: dict[str, str],
                    wanted: tuple[str, object],
                    codes: list[int] = codes,
                ) -> None:
                    codes.append((await ask(client, *wanted, headers)).status_code)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(do, glass, tokened, (action, body))
                    nursery.start_soon(do, account, {}, (action, body))
                assert set(codes) <= may_answer, (action, codes)
                lines = await lines_of(account, name)
                assert [line["who"] for line in lines] == ["ADMIN_TOKEN", "ann"], (action, lines)
                assert [line["target"] for line in lines] == [target] * 2
                # The same as of the login: so all that one login did can be found.
                assert lines[0]["credential"] == login["credential"]
                assert all(line["address"] == "127.0.0.1" for line in lines)
                assert all(line["correlation_id"] for line in lines)


async def lines_of(program: httpx.AsyncClient, action: str) -> list[dict[str, Any]]:
    """The entries of an action, once all are stored; by who did it."""
    with trio.fail_after(20):
        while True:
            answer = await program.get(f"{API}/audit", params={"action": action})
            if answer.status_code == 200 and answer.json()["waiting"] == 0:
                return sorted(answer.json()["entries"], key=lambda entry: str(entry["who"]))
            await trio.sleep(0.05)
