"""Notices for operators, posted by a running server to a receiver over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import trio
from structlog.testing import capture_logs

from stockstream import paths
from stockstream.alerts.signing import Signer, signature
from stockstream.config import WebhookUrl
from stockstream.environment import Configuration
from stockstream.messages import NoticeTold
from stockstream.notices.letters import OPERATORS
from tests.integration.alerts.support import NEARBY
from tests.integration.delivery.upstream import fed_by
from tests.integration.market.rogue import answer
from tests.support.exposition import parse

if TYPE_CHECKING:
    from tests.integration.alerts.receiver import Receiver
    from tests.integration.delivery.upstream import PriceApi
    from tests.support.tree import Tree

SOON = {"breaker_minimum_calls": 3, "breaker_window": 3, "breaker_wait": 0.2, "breaker_max_wait": 1}


def told(tree: Tree) -> list[str]:
    return [event.text for event in tree.events if isinstance(event, NoticeTold)]


async def test_a_breaker_that_opens_is_posted_until_it_is_taken(
    price_api: PriceApi, receiver: Receiver
) -> None:
    """In order, signed, under one id; neither a receiver that hangs nor a kill loses any."""
    receiver.statuses = [0, 500]
    well = price_api.script
    address = receiver.url
    with capture_logs() as logs:
        async with fed_by(
            price_api, **SOON, **NEARBY, operator_webhook=address, node_name="n1"
        ) as tree:
            price_api.always(answer(b"", status="500 Internal Server Error"))
            await receiver.until(lambda: receiver.posts)
            assert tree.system.ref(paths.NOTICES).kill()
            await receiver.until(lambda: len(receiver.posts) >= 2)
            price_api.script = well
            await receiver.until(lambda: receiver.posts[-1].json["state"] == "closed")
            key = tree.settings.secret_key_base.get_secret_value()
            await counted(tree)
    posts = receiver.posts
    ids = [post.headers["stockstream-notice"] for post in posts]
    assert ids[0] == ids[1] == ids[2]  # not answered, refused, taken
    assert ids[2:] == list(dict.fromkeys(ids))
    assert ids == [post.json["id"] for post in posts]
    first = posts[0].json
    assert (first["kind"], first["subject"], first["state"]) == ("circuit", "api", "open")
    assert (first["node"], first["bad"], first["count"]) == ("n1", True, 1)
    assert first["text"].startswith("the circuit breaker of api is open: ")
    assert [post.json["text"] for post in posts[2:]] == told(tree)
    for post in posts:
        fields = dict(part.split("=") for part in post.headers["stockstream-signature"].split(","))
        secret = Signer(key).secret(OPERATORS)
        assert fields["v1"] == signature(secret, post.body, int(fields["t"]))
    reasons = [line["reason"] for line in logs if line["event"].startswith("a notice could")]
    assert reasons == ["status 500"]
    assert "key=1" not in repr(logs)


async def counted(tree: Tree) -> None:
    """The figures of what was posted, once the answer of the last one has come."""
    async with httpx.AsyncClient() as http:
        with trio.fail_after(10):
            while True:
                samples = parse((await http.get(f"{tree.url}/metrics")).text)
                if samples["stockstream_notices_waiting"] == 0:
                    break
                await trio.sleep(0.05)
    assert samples['stockstream_notices_total{kind="circuit"}'] >= 3
    assert samples['stockstream_notice_posts_total{outcome="delivered"}'] >= 3
    assert samples['stockstream_notice_posts_total{outcome="failed"}'] == 1


async def test_the_address_may_change_and_go_while_it_runs(
    price_api: PriceApi, receiver: Receiver
) -> None:
    """As SIGHUP has it read; what waits for an address that is gone is not kept."""
    async with fed_by(price_api, **SOON, **NEARBY) as tree:

        async def to(address: str | None) -> None:
            secret = None if address is None else WebhookUrl(address)
            new = tree.current.settings.model_copy(update={"operator_webhook": secret})
            tree.current.read = lambda: Configuration(new, {})
            asked = tree.current.asked + 1
            tree.current.ask(tree.system)
            await tree.until(lambda: tree.current.answered == asked)

        await to("http://127.0.0.1:1/nobody")
        price_api.always(answer(b"", status="500 Internal Server Error"))
        await tree.until(lambda: bool(told(tree)))
        await to(receiver.url)
        await receiver.until(lambda: receiver.posts)
        assert receiver.posts[0].json["state"] == "open"
        await to(None)
        row = tree.current.settings.operator_webhook
        assert row is None
