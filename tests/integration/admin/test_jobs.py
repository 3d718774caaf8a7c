"""Jobs by the admin API and by `stockstream jobs`."""

from __future__ import annotations

import json
from functools import partial

import pytest
import trio

from stockstream import paths
from stockstream.cli import jobs
from stockstream.cli.admin_client import Refused
from stockstream.errors import UsageError
from tests.integration.admin.operators import by_token, somebody, token_of
from tests.support.database import psql
from tests.support.tree import running_tree

PATH = "/admin/api/jobs"


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command has printed: the log lines of the server stand before."""
    return capsys.readouterr().out


async def test_jobs_are_shown_and_run_now(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By HTTP and by the command; in the audit; what is wrong is named; nobody else may."""
    run = trio.to_thread.run_sync
    async with (
        running_tree(database_url=database_url) as tree,
        by_token(tree) as program,
        somebody(tree) as stranger,
    ):
        assert (await stranger.post(f"{PATH}/purge/run")).status_code == 401
        with trio.fail_after(20):
            while True:
                rows = {row["name"]: row for row in (await program.get(PATH)).json()["jobs"]}
                if all(row["outcome"] == "ok" for row in rows.values()):
                    break
                await trio.sleep(0.05)
        assert rows.keys() == {"purge", "retention", "roll_ups", "webhooks"}
        assert rows["purge"]["place"] == "history/purge"
        assert rows["purge"]["schedule"] == "every 10m"
        assert "partitions made" in rows["retention"]["note"]
        assert rows["webhooks"]["note"] == "0 wait, 0 due, 0 dead"

        where = jobs.Where(tree.url, token_of(tree), as_json=True)
        told(capsys)
        code = await run(partial(jobs.run, "purge", where=where))
        out = told(capsys)
        document = json.loads(out[out.index("{\n") :])
        assert (code, document["ended"], document["runs"]) == (0, True, rows["purge"]["runs"] + 1)
        entry = partial(psql, database_url, "SELECT action, target, outcome FROM operator_audit")
        with trio.fail_after(20):
            while await run(entry) != "job.run|purge|done":  # noqa: ASYNC110 - a server tells nobody
                await trio.sleep(0.05)

        where = jobs.Where(tree.url, token_of(tree))
        assert await run(partial(jobs.show_all, where=where)) == 0
        assert "every 10m" in told(capsys)
        assert await run(partial(jobs.show_one, "retention", where=where)) == 0
        assert "partitions made" in told(capsys)
        with pytest.raises(Refused, match="did you mean purge"):
            await run(partial(jobs.run, "purgee", where=where))
        with pytest.raises(UsageError, match="--wait"):
            jobs.run("purge", wait="soon", where=where)
        metrics = (await program.get("/metrics")).text
        assert 'stockstream_job_failing{name="purge"} 0' in metrics


async def test_without_a_database_a_job_says_why_it_cannot_begin() -> None:
    """The list is there all the same."""
    async with running_tree() as tree, by_token(tree) as program:
        with trio.fail_after(20):
            while (answer := await program.post(f"{PATH}/purge/run")).status_code != 409:  # noqa: ASYNC110 - the database is asked first
                await trio.sleep(0.05)
        assert "the database cannot be asked" in answer.json()["error"]["reason"]
        assert len((await program.get(PATH)).json()["jobs"]) == 4
        assert tree.system.ref(paths.job("purge")).kill()
