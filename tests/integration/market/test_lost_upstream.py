"""An upstream whose feed cannot start, beside one that can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream import paths
from stockstream.market.feeds.poll import PollFeed
from stockstream.upstreams import Upstream
from supervision import RestartScheduled
from tests.support.client import connected
from tests.support.tree import running_tree

if TYPE_CHECKING:
    import pytest
    import trio

MARKET = "sim://?symbols=6&interval=0.1&seed=7"


async def test_it_is_tried_ever_more_slowly_and_the_other_goes_on(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Its supervisor gives up again and again; those above do not, and clients are told of it."""
    start = PollFeed.init
    broken = False

    async def init(self: PollFeed) -> None:
        if broken and self.path == paths.feed("bad"):
            raise RuntimeError("a bug")
        await start(self)

    monkeypatch.setattr(PollFeed, "init", init)
    upstreams = [Upstream("bad", MARKET), Upstream("good", MARKET)]

    def pauses() -> list[float]:
        path = f"{paths.FEEDS}/bad"
        return [e.delay for e in tree.events if isinstance(e, RestartScheduled) and e.path == path]

    async with (
        running_tree(upstreams=upstreams, may_crash=True) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols="*")
        await me.message("prices")
        broken = True
        assert tree.system.ref(paths.feed("bad")).kill()
        await tree.until(lambda: len(pauses()) >= 4, 30)
        assert pauses()[-1] > 2 * pauses()[0]
        await me.message("prices", me.counts["prices"] + 3)
        await me.wait_for(lambda: me.status["feed"] != "live")
        actors = tree.actors()
        for path in ("market", paths.FEEDS, paths.feed("good"), paths.STREAMER):
            assert actors[path].generation == 1, path
        broken = False
        await me.wait_for(lambda: me.status["feed"] == "live", 15)
