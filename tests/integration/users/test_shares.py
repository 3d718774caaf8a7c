"""Links to lists over HTTP: who sees what, until when, and what stays secret."""

from __future__ import annotations

import re

import pytest

from stockstream import paths
from stockstream.times import now_ms
from stockstream.users.purging import PurgeSettings
from stockstream.users.shares import MOST_SHARES
from tests.support.history import select
from tests.support.tree import running_tree
from tests.support.users import fields_of, rows_are_there, visitor
from web.asking import ask_database

LISTS, SHARES = "/api/v1/watchlists", "/api/v1/shares"


@pytest.mark.proves("H15")
async def test_a_link_shows_a_list_to_anybody_until_it_is_ended(database_url: str) -> None:
    """As it is then; with nothing else of its owner; its token is in no table."""
    async with running_tree(database_url=database_url) as tree, visitor(tree) as me:
        await rows_are_there(me)
        database = tree.system.ref(paths.DATABASE)
        body = {"name": "<b>Mine", "sections": [{"name": "Cars", "symbols": ["TSLA"]}]}
        made = await me.post(LISTS, json=body)
        number, it = made.json()["id"], made.headers["Location"]
        share = (await me.post(SHARES, json={"watchlist": number, "days": 7})).json()
        token = share["token"]
        assert re.fullmatch(r"[\w-]{32}", token)
        listed = (await me.get(SHARES)).json()["shares"]
        assert listed == [{k: v for k, v in share.items() if k != "token"}]
        kept = await select(
            database,
            "SELECT row_to_json(s)::text FROM list_shares s UNION ALL "
            "SELECT coalesce(after::text, '') FROM audit",
        )
        assert all(token not in row[0] for row in kept)
        await me.patch(it, json={"add": ["AAPL"]})
        async with visitor(tree) as other:
            assert (await other.get(SHARES)).json()["shares"] == []
            assert (await other.delete(f"{SHARES}/{share['id']}")).status_code == 404
            refused = await other.post(SHARES, json={"watchlist": number})
            assert (refused.status_code, fields_of(refused)) == (409, {"watchlist"})
            found = (await other.get(f"/api/v1/shared/{token}")).json()
            cars = {"name": "Cars", "symbols": ["TSLA"], "folded": False}
            assert found == {"name": "<b>Mine", "symbols": ["AAPL", "TSLA"], "sections": [cars]}
            page = await other.get(f"/shared/{token}")
            assert "&lt;b&gt;Mine" in page.text
            assert page.headers["X-Robots-Tag"] == "noindex"
            assert page.headers["Referrer-Policy"] == "no-referrer"
            for wrong in ("x", "A" * 32, token[:-1] + "*"):
                assert (await other.get(f"/api/v1/shared/{wrong}")).status_code == 404
                assert (await other.get(f"/shared/{wrong}")).status_code == 404
            assert (await me.delete(f"{SHARES}/{share['id']}")).status_code == 200
            ended = await other.get(f"/api/v1/shared/{token}")
            assert ended.status_code == 410
            assert ended.json()["error"]["code"] == "link_ended"
            gone = await other.get(f"/shared/{token}")
            assert (gone.status_code, "has ended its link" in gone.text) == (410, True)
            for change, why in (
                ("UPDATE list_shares SET expires_at = now() RETURNING 1", "has expired"),
                ("UPDATE watchlists SET deleted_at = now() RETURNING 1", "has deleted it"),
            ):
                days = {} if "watchlists" in change else {"days": 1}
                again = (await me.post(SHARES, json={"watchlist": number, **days})).json()
                await select(database, change)
                told = await other.get(f"/api/v1/shared/{again['token']}")
                assert (told.status_code, why in told.text) == (410, True)


async def test_links_have_limits_and_are_purged(database_url: str) -> None:
    """One more is refused by name; what ended a month ago is gone, and so is what its list had."""
    async with running_tree(database_url=database_url) as tree, visitor(tree) as me:
        await rows_are_there(me)
        database = tree.system.ref(paths.DATABASE)
        number = (await me.post(LISTS, json={"name": "Mine"})).json()["id"]
        for body in ({"watchlist": number, "days": 0}, {"watchlist": number, "days": 366}):
            assert fields_of(await me.post(SHARES, json=body)) == {"days"}
        for body in ({"watchlist": -1}, {"watchlist": 2**63}):
            assert fields_of(await me.post(SHARES, json=body)) == {"watchlist"}
        await select(
            database,
            "INSERT INTO list_shares (owner, watchlist_id, token_hash) "
            "SELECT owner, id, sha256(n::text::bytea) FROM watchlists, "
            f"generate_series(1, {MOST_SHARES}) n RETURNING 1",
        )
        full = await me.post(SHARES, json={"watchlist": number})
        assert (full.status_code, fields_of(full)) == (409, {"shares"})
        await select(
            database,
            "UPDATE list_shares SET deleted_at = now() - interval '31 d', expires_at = now() "
            "WHERE id > (SELECT min(id) FROM list_shares) RETURNING 1",
        )
        step = PurgeSettings().step(now_ms())
        await ask_database(database, step)
        assert len((await me.get(SHARES)).json()["shares"]) == 1
        await select(database, "UPDATE watchlists SET deleted_at = 'epoch' RETURNING 1")
        await ask_database(database, step)
        assert await select(database, "SELECT 1 FROM list_shares") == []
