"""The connections of a node: listed, looked at, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.admin.operators import by_token, somebody
from tests.support.client import connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import trio

PATH = "/admin/api/connections"


async def test_connections_are_found_by_what_they_want_and_one_is_closed(
    nursery: trio.Nursery,
) -> None:
    """Sorted, paged, searched; a closed one is told why, and another name does nothing."""
    async with running_tree() as tree, by_token(tree) as program, somebody(tree) as stranger:
        assert (await stranger.get(PATH)).status_code == 401
        async with (
            connected(tree.websocket_url, nursery) as one,
            connected(tree.websocket_url, nursery) as other,
        ):
            await one.send(action="subscribe", symbols=["AAPL", "MSFT"])
            await one.message("prices", 2)
            page = (await program.get(f"{PATH}?sort=symbols")).json()
            assert (page["connected"], page["found"]) == (2, 2)
            assert [row["symbols"] for row in page["connections"]] == [2, 0]
            first = page["connections"][0]
            assert first["address"] == "127.0.0.1"
            assert first["since"] is not None
            assert first["lag"] < 5
            page = (await program.get(f"{PATH}?search=aapl")).json()
            assert ([row["name"] for row in page["connections"]], page["found"]) == (
                [first["name"]],
                1,
            )
            page = (await program.get(f"{PATH}?sort=since&way=up&limit=1&offset=1")).json()
            assert (len(page["connections"]), page["found"]) == (1, 2)
            for query in ("sort=size", "way=left", "limit=0", "limit=201", "offset=-1"):
                assert (await program.get(f"{PATH}?{query}")).status_code == 422, query
            number = first["number"]
            details = (await program.get(f"{PATH}/{number}")).json()
            assert details["symbols"] == ["AAPL", "MSFT"]
            close = f"{PATH}/{number}/close"
            answer = await program.post(close, json={"name": "somebody-else"})
            assert answer.status_code == 404
            answer = await program.post(close, json={"name": first["name"], "reason": "a test"})
            assert answer.json() == {"closed": True, "name": first["name"]}
            assert await one.wait_closed() == (4001, "a test")
            assert (await program.post(close, json={"name": first["name"]})).status_code == 404
            assert (await program.get(f"{PATH}/{number}")).status_code == 404
            assert other.closed is None
        assert tree.crashes == []
