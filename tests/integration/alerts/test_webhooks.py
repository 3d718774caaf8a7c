"""Webhooks, posted by the running server to a receiver over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream import paths
from stockstream.alerts import webhooks
from stockstream.alerts.signing import signature
from tests.integration.alerts.receiver import Post, Receiver
from tests.integration.alerts.support import RULES, Me, listening, user_of
from tests.support.users import visitor

if TYPE_CHECKING:
    from tests.integration.delivery.upstream import PriceApi

NEARBY: dict[str, Any] = {"webhook_allow_http": True, "webhook_networks": "127.0.0.0/8"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come in hundredths of the time."""
    settings = webhooks.WebhookSettings
    monkeypatch.setattr(
        "stockstream.part_settings.WebhookSettings",
        lambda *given, **more: settings(
            *given, **more, seconds=1.0, first_pause=0.02, longest_pause=0.1
        ),
    )


async def ended(me: Me, number: int = 1) -> list[tuple[Any, ...]]:
    """Wait until so many calls have ended: state, attempts, reason."""
    with trio.fail_after(20):
        while True:
            found = await me.select(
                "SELECT state, attempts, reason FROM webhook_deliveries "
                "WHERE state <> 'pending' ORDER BY alert_id"
            )
            if len(found) >= number:
                return found
            await trio.sleep(0.05)


def is_signed(post: Post, secret: str) -> bool:
    """Whether the signature is right, as a receiver checks it."""
    told = dict(part.split("=", 1) for part in post.headers["stockstream-signature"].split(","))
    return told["v1"] == signature(secret, post.body, int(told["t"]))


async def test_an_alert_is_posted_with_its_signature(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """To the path and query that the user gave; the body is the alert, told once."""
    async with user_of(price_api, database_url, **NEARBY) as me:
        number = await me.add_rule("above", 100.0, webhook=receiver.url)
        rule = (await me.http.get(f"{RULES}/{number}")).json()
        await me.price(AAPL=101.0)
        assert await ended(me) == [("delivered", 1, None)]
        (post,) = receiver.posts
        (alert,) = await me.fired()
        assert {**post.json, "read": False} == alert
        assert post.headers[":target"] == "/hook?key=1"
        assert post.headers["host"] == receiver.url.split("/")[2]
        assert post.headers["stockstream-alert"] == alert["id"]
        assert rule["webhook"]["url"] == receiver.url
        assert is_signed(post, rule["webhook"]["secret"])
        assert not is_signed(post, "whsec_other")


async def test_a_receiver_in_trouble_is_tried_again(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """An error, a redirection that is not followed, no answer in time; then it takes it."""
    receiver.statuses = [500, 302, 0]
    receiver.headers = [("location", "http://127.0.0.1:1/")]
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        assert await ended(me) == [("delivered", 4, None)]
        assert len({post.headers["stockstream-alert"] for post in receiver.posts}) == 1
        overview = await me.overview()
        told = {"delivered": 1, "failed": 3, "dead": 0, "under_way": 0}
        assert overview["webhooks"] == told
        assert overview["alerts"]["rules"] == 1


async def test_a_call_that_is_never_taken_is_dead_and_says_why(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """A row with its reason stays; the user's other alerts, and the stream, go on meanwhile."""
    receiver.statuses = [503] * 3
    async with user_of(price_api, database_url, **NEARBY, webhook_attempts=3) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        async with listening(me, nursery) as client:
            await me.price(AAPL=101.0)
            await client.message("alert")
        assert await ended(me) == [("dead", 3, "status 503")]


async def test_an_address_that_is_not_allowed_is_not_called_though_a_rule_has_it(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """The rule may be older than the setting; a name that leads inside is found at the call."""
    async with user_of(price_api, database_url, webhook_allow_http=True) as me:
        inside = receiver.url.replace("127.0.0.1", "localhost")
        await me.add_rule("above", 100.0, webhook=inside)
        await me.price(AAPL=101.0)
        ((state, attempts, reason),) = await ended(me)
        assert (state, attempts) == ("dead", 1)
        assert reason == "localhost is not on the internet"
        assert receiver.posts == []


async def test_a_large_answer_is_not_read(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """Its status is all that counts."""
    receiver.body = b"x" * 50_000_000
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        assert await ended(me) == [("delivered", 1, None)]
        assert receiver.answered == 0


async def test_what_no_server_should_answer_ends_that_call_only(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """Bytes that are no HTTP, zeros among them, make a dead call with a reason."""

    async def babble(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65_536)
            await stream.send_all(b"\x00\xff\x00 nothing\r\n\r\n")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, babble, listeners)
    given = {**NEARBY, "webhook_attempts": 2}
    async with user_of(price_api, database_url, **given) as me:
        await me.add_rule("above", 100.0, webhook=f"http://127.0.0.1:{port}/")
        await me.add_rule("above", 100.5, webhook=receiver.url)
        await me.price(AAPL=101.0)
        dead, delivered = await ended(me, 2)
        assert dead[:2] == ("dead", 2)
        assert "ProtocolError" in dead[2]
        assert delivered == ("delivered", 1, None)
    nursery.cancel_scope.cancel()


async def test_a_killed_webhooks_actor_posts_what_it_had_not_done(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """Killed while the receiver hangs: its successor posts the same alert again."""
    receiver.statuses = [0]
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        await receiver.until(lambda: len(receiver.posts) == 1)
        me.tree.system.ref(paths.WEBHOOKS).kill()
        assert await ended(me) == [("delivered", 1, None)]
        first, second = receiver.posts
        assert first.json == second.json


async def test_one_users_slow_receiver_does_not_hold_up_anothers(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """Few calls of one user are under way at a time, however many wait."""
    slow = Receiver(statuses=[0] * 1_000)
    await slow.start(nursery)
    async with user_of(price_api, database_url, **NEARBY) as me, visitor(me.tree) as http:
        for number in range(30):
            await me.add_rule("above", 100.0 + number / 10, webhook=slow.url)
        other = Me(me.tree, me.api, http)
        await other.add_rule("above", 104.0, webhook=receiver.url)
        await me.price(AAPL=110.0)
        await receiver.until(lambda: receiver.posts)
        assert len(slow.posts) <= 2 * webhooks.EACH_AT_ONCE
    await slow.stop()
