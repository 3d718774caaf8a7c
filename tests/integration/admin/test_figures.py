"""Figures over hours, kept in the database."""

from __future__ import annotations

import trio

from stockstream import paths
from stockstream.database.query import Unavailable, ask
from stockstream.figures.minutes import Figures, Minute
from stockstream.figures.rows import KEPT_MS, FetchCourse, WriteFigures
from stockstream.run_record import PastRun
from stockstream.times import now_ms
from tests.integration.admin.operators import by_token
from tests.support.tree import Tree, running_tree

MINUTE = 60_000
SOME = Figures(3, 0.0, 1.5, 9.0, 90.0, 1.0, 0.2, 0, 0, 9_000_000, 12.0, 7.0)


async def stored(tree: Tree, write: WriteFigures) -> bool:
    """Store them; False while the database begins."""
    try:
        await ask(tree.system.ref(paths.DATABASE), write)
    except Unavailable:
        return False
    return True


async def test_minutes_outlive_a_run_and_go_after_a_week(database_url: str) -> None:
    """Another run goes on where the last one ended, which is told; nothing is stored twice."""
    now = now_ms() // MINUTE * MINUTE
    async with running_tree(database_url=database_url) as tree, by_token(tree) as program:
        node = (await program.get("/admin/api/overview")).json()["node"]
        old, new = Minute(now - KEPT_MS - MINUTE, SOME), Minute(now - MINUTE, SOME)
        before = PastRun(now - 9 * MINUTE, now - 8 * MINUTE, "stopped")
        write = WriteFigures(node, (old, new), now, now - 5 * MINUTE, before)
        with trio.fail_after(20):
            while not await stored(tree, write):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert await stored(tree, write)
        course = (await program.get("/admin/api/figures?hours=1")).json()
        points = [dict(zip(("at", *course["names"]), p, strict=True)) for p in course["points"]]
        mine = [point for point in points if point["at"] == new.at]
        assert [(p["clients"], p["history_lag"], p["fetch_p95"]) for p in mine] == [(3, 1.5, 0.2)]
        (run,) = [one for one in course["runs"] if one["started"] == now - 5 * MINUTE]
        assert (run["ended"], run["how"]) == (before.ended, "stopped")
        week = FetchCourse(node, now - 2 * KEPT_MS, now)
        whole = await ask(tree.system.ref(paths.DATABASE), week)
        assert all((point[0] or 0) > now - KEPT_MS - 3_600_000 for point in whole.points)
        assert (await program.get("/admin/api/figures?hours=169")).status_code == 422
    async with running_tree() as tree, by_token(tree) as program:
        answer = await program.get("/admin/api/figures")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
