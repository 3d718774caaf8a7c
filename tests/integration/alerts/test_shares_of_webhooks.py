"""Webhooks beside others whose receivers hang, over real sockets: nobody stops anybody else's."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.alerts import webhooks
from stockstream.alerts.shares import SHARES, Standing
from tests.integration.alerts.receiver import Receiver
from tests.integration.alerts.support import NEARBY, Me, user_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.integration.delivery.upstream import PriceApi

RULES_OF_EACH = 12
VICTIMS = 30
HANG_SECONDS = 60.0
SECONDS = 20.0
"""A second or so where the machine is not shared; well within the time of a call that hangs."""


@pytest.fixture(autouse=True)
def long_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is over because a receiver was given up."""
    made = partial(webhooks.WebhookSettings, seconds=HANG_SECONDS)
    monkeypatch.setattr("stockstream.part_settings.WebhookSettings", made)


@asynccontextmanager
async def hanging(nursery: trio.Nursery, number: int) -> AsyncIterator[list[Receiver]]:
    """Receivers that accept, read, and never answer."""
    async with AsyncExitStack() as stack:
        receivers = [Receiver(statuses=[0] * 10_000) for _ in range(number)]
        for receiver in receivers:
            await receiver.start(nursery)
            stack.push_async_callback(receiver.stop)
        yield receivers


async def put_rules(me: Me, owner: str, urls: Sequence[str], first: float = 100.0) -> None:
    """A rule for each address, as if its owner had made them; judged from the next reading on."""
    thresholds = [first + number / 1000 for number in range(len(urls))]
    rows = ", ".join(
        f"('{owner}', 'AAPL', 'above', {threshold}, 0, 0, '{url}')"
        for threshold, url in zip(thresholds, urls, strict=True)
    )
    await me.select(
        "INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis, cooldown, webhook) "
        f"VALUES {rows} RETURNING id"
    )


async def all_judged(me: Me, rules: int) -> None:
    """Wait until so many rules have their standing; one made by the API has them read."""
    await me.add_rule("above", 1000.0)
    with trio.fail_after(20):
        armed = "SELECT count(*) FROM alert_rules WHERE armed"
        while (await me.select(armed))[0][0] < rules + 1:  # noqa: ASYNC110
            await trio.sleep(0.05)


@pytest.mark.parametrize(
    ("owners", "receivers"), [(10, 1), (10, 10), (1, 12)], ids=["one", "ten", "all of one owner"]
)
async def test_receivers_that_hang_do_not_hold_up_anothers_calls(
    owners: int,
    receivers: int,
    price_api: PriceApi,
    receiver: Receiver,
    database_url: str,
    nursery: trio.Nursery,
) -> None:
    """Ten owners with one receiver that hangs, with one each, and one owner with twelve."""
    async with (
        hanging(nursery, receivers) as slow,
        user_of(price_api, database_url, **NEARBY) as me,
    ):
        for owner in range(owners):
            urls = [slow[(owner + rule) % receivers].url for rule in range(RULES_OF_EACH)]
            await put_rules(me, f"attacker-{owner}", urls)
        await put_rules(me, "victim", [receiver.url] * VICTIMS)
        await all_judged(me, owners * RULES_OF_EACH + VICTIMS)
        await me.price(AAPL=101.0)
        with trio.fail_after(SECONDS):
            await receiver.until(lambda: len(receiver.posts) == VICTIMS)
        assert len({post.json["id"] for post in receiver.posts}) == VICTIMS
        untried = SHARES[Standing.UNTRIED]
        most = min(owners * untried.owner, receivers * untried.receiver)
        assert 0 < sum(len(one.posts) for one in slow) <= most
        # And again, once it is known what hangs: the victim's stand apart from all that is slow.
        await me.price(AAPL=90.0)
        await me.price(AAPL=102.0)
        with trio.fail_after(SECONDS):
            await receiver.until(lambda: len(receiver.posts) == 2 * VICTIMS)


async def test_an_owners_good_receiver_is_served_beside_their_own_that_hang(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """Shares go by lines: it was taken promptly once, so it does not wait for the others."""
    async with (
        hanging(nursery, 12) as slow,
        user_of(price_api, database_url, **NEARBY) as me,
    ):
        await put_rules(me, "me", [receiver.url], first=95.0)
        await put_rules(me, "me", [one.url for one in slow])
        await put_rules(me, "me", [receiver.url] * VICTIMS, first=105.0)
        await all_judged(me, 1 + 12 + VICTIMS)
        await me.price(AAPL=96.0)
        await receiver.until(lambda: receiver.posts)
        await me.price(AAPL=101.0)
        with trio.fail_after(20):
            while sum(len(one.posts) for one in slow) < 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await me.price(AAPL=110.0)
        with trio.fail_after(SECONDS):
            await receiver.until(lambda: len(receiver.posts) == 1 + VICTIMS)
