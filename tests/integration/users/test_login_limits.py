"""Guessing at a password over HTTP: how far it gets, and whom it does not hinder."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from tests.support.people import CHEAP_SETTINGS, add_account, browser, log_in
from tests.support.tree import running_tree
from web.users import login_throttle
from web.users.login_throttle import FREE_FAILURES

if TYPE_CHECKING:
    import pytest


async def test_a_guesser_is_told_to_wait_and_the_owner_gets_in(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same address, with 40 guesses at the same time, and by however the name is written.

    What was counted outlives a kill of `web`. Another device of the owner has to wait.
    """
    monkeypatch.setattr(login_throttle, "FIRST_PAUSE_SECONDS", 60.0)  # the machine may be slow
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    async with (
        running_tree(**settings) as tree,
        browser(tree) as owner,
        browser(tree) as guesser,
        browser(tree) as new_device,
    ):
        await add_account(tree, "ann")
        assert (await log_in(owner, "ann")).status_code == 303
        answers: Counter[int] = Counter()

        async def guess(number: int) -> None:
            given = {"name": ("ann", "ANN", " Ann ")[number % 3], "password": f"guess {number}"}
            answer = await guesser.post("/login", json=given)
            answers[answer.status_code] += 1
            if answer.status_code == 429:
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
                assert answer.json()["error"]["code"] == "too_many_logins"

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(guess, number)
        assert answers == {401: FREE_FAILURES, 429: 40 - FREE_FAILURES}
        for _ in range(3):
            assert (await log_in(owner, "ann")).status_code == 303
        assert (await log_in(new_device, "ann")).status_code == 429
        assert tree.system.ref(paths.WEB).kill()
        async with browser(tree) as client:
            assert (await log_in(client, "ann")).status_code == 429
            client.cookies.update(owner.cookies)
            assert (await log_in(client, "ann")).status_code == 303
