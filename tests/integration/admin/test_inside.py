"""What operators look at inside a node: its feeds, its log, its settings."""

from __future__ import annotations

import trio

from stockstream.shown_settings import shown_settings
from tests.integration.admin.operators import by_token, events
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.tree import running_tree


async def test_what_happens_has_the_id_of_its_lines_in_the_log(database_url: str) -> None:
    """What an operator asked for, by the request; a job's run, by an id of its own."""
    async with (
        running_tree(database_url=database_url) as tree,
        by_token(tree) as program,
        events(tree) as told,
    ):
        restart = {"path": "market/streamer"}
        asked = await program.post("/admin/api/actions/restart", json=restart)
        entry = await told.until(kind="operator", path="market/streamer")
        assert entry["correlation"] == asked.headers["X-Request-Id"]
        with trio.fail_after(20):
            while (await program.post("/admin/api/jobs/purge/run")).status_code != 200:  # noqa: ASYNC110
                await trio.sleep(0.05)
            while (job := (await program.get("/admin/api/jobs/purge")).json())["outcome"] == "":  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert job["correlation"].startswith("job-purge-")


async def test_feeds_log_and_settings_are_told_without_secrets(nursery: trio.Nursery) -> None:
    """How fast the feed is, its last answer and trouble; a request's lines; what is set."""
    api = PriceApi(nursery)
    api.put(AAPL=150.0)
    await api.start()
    async with fed_by(api) as tree, by_token(tree) as program:
        await api.fetches(3)
        api.tell([{"symbol": "AAPL", "price": 0, "timestamp": 1}])
        await api.fetches(3)
        (feed,) = (await program.get("/admin/api/feeds")).json()["feeds"]
        assert feed["name"] == "api"
        assert 0 < feed["p50"] <= feed["p95"] < 5
        assert feed["told"] >= feed["newer"] >= 1
        assert feed["refused"] >= 1
        assert (feed["pushed"], feed["lines"], feed["state"]) == (False, [], "live")
        assert feed["stale_after"] > feed["interval"] > 0
        assert 0 < feed["age_p50"] <= feed["age_p95"]
        assert feed["body"]["at"] <= feed["ended"]
        assert feed["confirmed"] is not None
        assert feed["body"]["status"] == 200
        assert "AAPL" in feed["body"]["text"]
        assert feed["trouble"]["kind"] in {"body_no_quotes", "item_not_positive"}
        assert feed["trouble"]["correlation"].startswith("api-")
        (kind, *_) = (await program.get("/admin/api/items")).json()["kinds"]
        assert kind["correlation"].startswith("api-")
        about = (await program.get("/admin/api/about")).json()
        assert about["schema"] is None
        shown = {one["name"]: one["value"] for one in about["settings"]}
        assert shown["ADMIN_TOKEN"] == "********"
        assert tree.settings.admin_token.get_secret_value() not in str(about)
        assert shown["FETCH_INTERVAL"] == tree.settings.fetch_interval
        sources = shown_settings(tree.settings, {"fetch_interval": "environment"})
        assert {one.source for one in sources if one.name == "FETCH_INTERVAL"} == {"environment"}
        log = (await program.get("/admin/api/log?limit=5&level=warning")).json()
        assert len(log["lines"]) <= 5 <= 500
        for wrong in ("level=loud", "limit=501", "search=%07"):
            assert (await program.get(f"/admin/api/log?{wrong}")).status_code == 422, wrong
