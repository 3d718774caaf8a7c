"""Two upstreams, and one of them goes away: its own symbols are stale, and no other one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stockstream.upstreams import STALE_AFTER_SECONDS, Upstream
from tests.integration.delivery.upstream import PACE, started_api
from tests.support.client import Client, connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import trio


def updates(client: Client, symbol: str) -> list[dict[str, Any]]:
    """What was told of a symbol's state after its snapshot: by itself, or with all of its fields,
    where another upstream is the one that tells it.
    """
    told = [message.get("prices", []) + message.get("quotes", []) for message in client.messages]
    first = next(number for number, quotes in enumerate(told) if quotes)
    later = [quote for quotes in told[first + 1 :] for quote in quotes]
    return [quote for quote in later if quote["symbol"] == symbol and "state" in quote]


def ages(client: Client, since: int) -> list[int]:
    """How old the last fetch was, in ms, by each message from that one on that tells it."""
    told = [message for message in client.messages[since:] if "fetched" in message]
    return [message["steady"] - message["fetched"] for message in told]


@pytest.mark.proves("W21")
async def test_each_symbol_is_judged_by_its_own_upstream(nursery: trio.Nursery) -> None:
    """The dead one's symbols become stale, each with its time, until another tells a newer price;
    all else stays live, and is fresh by each message; those who come now hear the same. When no
    upstream is left that is told once of the feed, and when both are back all is live.
    """
    limit = STALE_AFTER_SECONDS * 1000
    async with (
        started_api(nursery, AAPL=150.0, BOTH=10.0) as first,
        started_api(nursery, MSFT=300.0, BOTH=10.0) as second,
        running_tree(
            upstreams=[Upstream("first", first.url), Upstream("second", second.url)],
            breaker_window=10_000,  # it never opens: each of its changes would be a message
            breaker_minimum_calls=10_000,
            **PACE,
        ) as tree,
        httpx.AsyncClient(base_url=tree.url) as api,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL", "MSFT", "BOTH"])
        await me.wait_for(lambda: me.prices.keys() == {"AAPL", "MSFT", "BOTH"})
        second.put(BOTH=10.5)
        await me.wait_for(lambda: me.status.get("feed") == "live" and me.prices["BOTH"] == 10.5)
        assert "partly" not in me.status

        second.stop()
        await me.wait_for(lambda: me.status["feed"] != "live" and bool(updates(me, "MSFT")))
        assert me.status["partly"] is True
        assert me.status["reason"].startswith("second: ")
        (gone,) = updates(me, "MSFT")
        assert (gone["state"], gone["reason"]) == ("stale", "feed_away")
        when = next(m for m in me.messages if gone in m.get("prices", []))
        assert limit <= when["steady"] - gone["confirmed"] < limit + 2000
        assert (await api.get("/api/v1/quotes/MSFT")).json()["quote"]["reason"] == "feed_away"
        since = len(me.messages)
        # Nothing changes: what comes are heartbeats.
        await me.message("prices", me.counts["prices"] + 2)
        assert max(ages(me, since)) < limit
        assert not updates(me, "AAPL")
        # The one that is left has told an older price of this one, until now.
        assert updates(me, "BOTH")[-1]["reason"] == "feed_away"
        first.put(BOTH=11.0)
        await me.wait_for(lambda: updates(me, "BOTH")[-1]["state"] == "live")
        async with connected(tree.websocket_url, nursery) as late:
            await late.send(action="subscribe", symbols=["AAPL", "MSFT"])
            snapshot = await late.message("snapshot")
            told = {quote["symbol"]: quote for quote in snapshot["quotes"]}
            assert (told["AAPL"]["state"], told["AAPL"]["confirmed"]) == ("live", None)
            assert (told["MSFT"]["state"], told["MSFT"]["reason"]) == ("stale", "feed_away")
            assert told["MSFT"]["confirmed"] == gone["confirmed"]

        first.stop()
        await me.wait_for(lambda: "partly" not in me.status)
        assert me.status["feed"] != "live"
        assert not updates(me, "AAPL")
        assert me.status["steady"] - me.status["fetched"] >= limit

        await first.start()
        await second.start()
        await me.wait_for(
            lambda: me.status["feed"] == "live" and updates(me, "MSFT")[-1]["state"] == "live"
        )
        assert tree.crashes == []
