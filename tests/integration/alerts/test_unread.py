"""How many alerts are unread goes with the alerts that are told beside it."""

from __future__ import annotations

import trio

from stockstream.alerts.alert_rows import FetchFired
from tests.integration.alerts.test_moving import alert, fire, put_rules, read_until
from tests.support.gateway import running_history

OWNER = "u-somebody"
ALERTS = 60


async def test_an_alert_that_is_stored_meanwhile_is_told_and_counted_or_neither(
    database_url: str,
) -> None:
    """A page would count it twice: as one that it was not told, and when the socket tells it."""
    async with running_history(database_url) as history:
        await history.until_up()
        (rule,) = await put_rules(history, OWNER, 1.0)
        async with trio.open_nursery() as nursery:

            async def store() -> None:
                for seq in range(ALERTS):
                    await fire(history, alert(OWNER, rule, seq))
                nursery.cancel_scope.cancel()

            nursery.start_soon(store)
            while True:
                fired = await history.ask(FetchFired(OWNER, limit=2 * ALERTS))
                assert fired.unread == len(fired.alerts)
        await read_until(history, OWNER, ALERTS - 11)
        # Older ones than those that a page asks for are counted, too.
        assert (await history.ask(FetchFired(OWNER, limit=3))).unread == 10
        none = await history.ask(FetchFired(OWNER, limit=3, before=0))
        assert (none.alerts, none.unread) == ([], 10)
