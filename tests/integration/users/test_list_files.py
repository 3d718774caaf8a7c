"""Lists as files over HTTP: read, written, and the same again; what is too large is refused."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from stockstream.users.list_files.reading import MOST_BYTES
from tests.support.tree import running_tree
from tests.support.users import fields_of, rows_are_there, visitor

if TYPE_CHECKING:
    import httpx

LISTS = "/api/v1/watchlists"


async def read(me: httpx.AsyncClient, data: bytes) -> httpx.Response:
    return await me.post(f"{LISTS}/read", json={"content": b64encode(data).decode()})


async def test_a_list_is_written_and_read_again(database_url: str) -> None:
    """Kept here or not; in both forms; nobody else's."""
    async with running_tree(database_url=database_url) as tree, visitor(tree) as me:
        await rows_are_there(me)
        cars = {"name": "=Cars, used", "symbols": ["TSLA", "MSFT"]}
        body = {"name": "My list", "symbols": ["AAPL"], "sections": [cars]}
        it = (await me.post(LISTS, json=body)).headers["Location"]
        async with visitor(tree) as other:
            assert (await other.get(f"{it}/file")).status_code == 404
        for kind, section in (("csv", "=Cars, used"), ("text", "=Cars used")):
            kept = (await me.get(f"{it}/file?format={kind}")).json()
            written = await me.post(f"{LISTS}/write?format={kind}", json=body)
            assert written.json() == kept
            assert kept["file_name"] == f"My-list.{'csv' if kind == 'csv' else 'txt'}"
            found = (await read(me, kept["text"].encode("utf-16"))).json()
            assert found["unread"] == []
            symbols = [(e["symbol"], e["section"]) for e in found["entries"] if e["symbol"]]
            assert symbols == [("AAPL", None), ("TSLA", section), ("MSFT", section)]
        assert fields_of(await me.get(f"{it}/file?format=pdf")) == {"format"}


async def test_what_cannot_be_read_is_refused_by_name_without_a_database() -> None:
    """Too large, no text, no base64; what is not understood is told by its line."""
    async with running_tree() as tree, visitor(tree) as me:
        large = await read(me, b"A" * (MOST_BYTES + 1))
        assert (large.status_code, fields_of(large)) == (422, {"content"})
        assert (await read(me, b"A" * (2 * MOST_BYTES))).status_code == 413
        assert (await read(me, b"AAPL\n" * 1_000)).status_code == 200
        for data in (b"\xff\xfeA", b"\0\1\0\2\0"):
            assert fields_of(await read(me, data)) == {"content"}
        wrong = await me.post(f"{LISTS}/read", json={"content": "?"})
        assert (wrong.status_code, fields_of(wrong)) == (422, {"content"})
        told = (await read(me, b"AAPL,!!!\nXXX:Y")).json()
        assert [e["symbol"] for e in told["entries"]] == ["AAPL"]
        assert [(u["line"], u["text"]) for u in told["unread"]] == [(1, "!!!"), (2, "XXX:Y")]
        other = await me.post("/api/v1/alerts/rules", json={"symbol": "A" * 70_000})
        assert other.status_code == 413
        assert (await me.get(f"{LISTS}/read")).status_code == 405
