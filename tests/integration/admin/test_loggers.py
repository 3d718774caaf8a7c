"""Levels of loggers by the admin API and by `stockstream logs`."""

from __future__ import annotations

import json
import logging
from functools import partial

import pytest
import trio

from stockstream.cli import logs
from stockstream.cli.admin_client import Refused
from stockstream.errors import UsageError
from tests.integration.admin.operators import by_token, somebody, token_of
from tests.support.tree import running_tree

PATH = "/admin/api/loggers"


async def test_a_level_is_lent_shown_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    """By HTTP and by the command; what is wrong is named; nobody else may."""
    async with running_tree() as tree, by_token(tree) as program, somebody(tree) as stranger:
        assert (await stranger.put(f"{PATH}/bus", json={"level": "debug"})).status_code == 401
        answer = await program.put(f"{PATH}/bus", json={"level": "debug", "seconds": 5})
        assert (answer.status_code, answer.json()["level"]) == (200, "debug")
        assert logging.getLogger("bus").isEnabledFor(logging.DEBUG)
        rows = {row["name"]: row for row in (await program.get(PATH)).json()["loggers"]}
        assert 0 < rows["bus"]["lent"]["seconds_left"] <= 5
        assert rows["web"]["lent"] is None
        answer = await program.delete(f"{PATH}/bus")
        assert (answer.status_code, answer.json()["lent"]) == (200, None)
        assert logging.getLogger("bus").level == logging.NOTSET

        for path, body, status, words in (
            ("bsu", {"level": "debug"}, 404, "did you mean bus?"),
            ("bus", {"level": "loud"}, 400, "$.level"),
            ("bus", {"level": "debug", "seconds": 7200}, 400, "$.seconds"),
            ("bus", {"level": "debug", "for": 1}, 400, "for"),
        ):
            answer = await program.put(f"{PATH}/{path}", json=body)
            assert (answer.status_code, words in answer.text) == (status, True), answer.text

        where = logs.Where(tree.url, token_of(tree), as_json=True)
        run = trio.to_thread.run_sync
        await run(partial(logs.level, "bus", "debug", seconds="90s", where=where))
        out = capsys.readouterr().out  # the log lines of the server stand before
        (row,) = json.loads(out[out.index("{\n") :])["loggers"]
        assert (row["name"], row["level"], row["lent"]["who"]) == ("bus", "debug", "token")
        await run(partial(logs.show, where=logs.Where(tree.url, token_of(tree))))
        assert "s more, to token" in capsys.readouterr().out
        await run(partial(logs.reset, "bus", where=where))
        assert logging.getLogger("bus").level == logging.NOTSET
        with pytest.raises(Refused, match="did you mean bus"):
            await run(partial(logs.reset, "buss", where=where))
        with pytest.raises(UsageError, match="--for"):
            logs.level("bus", "debug", seconds="2h", where=where)
