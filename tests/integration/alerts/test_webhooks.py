"""Webhooks, posted by the running server to a receiver over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream import paths
from stockstream.alerts import webhooks
from stockstream.alerts.shares import Pauses
from stockstream.alerts.signing import signature
from stockstream.jobs.job import RunJob
from tests.integration.admin.operators import by_token
from tests.integration.alerts.receiver import Receiver
from tests.integration.alerts.support import FIRED, NEARBY, RULES, Me, listening, user_of
from tests.integration.alerts.test_call_rows import CALLS, RULE
from tests.integration.delivery.upstream import fed_by
from tests.support.exposition import parse
from tests.support.history import select
from tests.support.selfsigned import server_context
from tests.support.users import fields_of, visitor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.alerts.receiver import Post
    from tests.integration.delivery.upstream import PriceApi


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come in hundredths of the time."""
    settings = webhooks.WebhookSettings
    monkeypatch.setattr(
        "stockstream.part_settings.WebhookSettings",
        lambda *given, **more: settings(
            *given, **more, seconds=1.0, pauses=Pauses(first=0.02, longest=0.1)
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
        delivery = alert.pop("delivery")
        assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
        assert delivery["status"] == 200
        assert (delivery["reason"], delivery["next_attempt"]) == (None, None)
        assert delivery["ended_at"] is not None
        assert {**post.json, "read": False, "mail": None} == alert
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
        await me.until_told("webhooks", delivered=1, failed=3, dead=0, under_way=0)
        await me.until_told("alerts", rules=1)
        for path in (paths.ALERTS, paths.WEBHOOKS):  # what is counted outlives who counted it
            me.tree.system.ref(path).kill()
        await me.price(AAPL=99.0)
        samples = parse((await me.http.get("/metrics")).text)
        assert samples["stockstream_alert_rules"] == 1
        assert samples["stockstream_alerts_fired_total"] == 1
        assert samples["stockstream_alert_judgements_total"] >= 1
        assert samples['stockstream_webhook_attempts_total{outcome="delivered"}'] == 1
        assert samples['stockstream_webhook_attempts_total{outcome="failed"}'] == 3
        assert samples["stockstream_webhook_calls_given_up_total"] == 0


async def test_a_call_that_is_never_taken_is_dead_and_says_why(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """A row with its reason stays; the user's other alerts, and the stream, go on meanwhile."""
    receiver.statuses = [503] * 10_000
    async with user_of(price_api, database_url, **NEARBY, webhook_retry_for=1.5) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        async with listening(me, nursery) as client:
            await me.price(AAPL=101.0)
            await client.message("alert")
        ((state, attempts, reason),) = await ended(me)
        assert (state, reason) == ("dead", "status 503")
        assert attempts == len(receiver.posts) > 2


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


async def test_a_certificate_nobody_vouches_for_is_the_reason_that_is_told(
    price_api: PriceApi, database_url: str, nursery: trio.Nursery, tmp_path: Path
) -> None:
    """In words, on the API as in the table; it is tried again, since certificates are mended."""
    receiver = Receiver(tls=server_context(tmp_path))
    await receiver.start(nursery)
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        with trio.fail_after(20):
            while not (found := (await me.until_fired(1))[0]["delivery"])["attempts"]:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert (found["state"], found["status"]) == ("pending", None)
        assert found["reason"].replace("-", " ") == "TLS: self signed certificate"
    await receiver.stop()


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
    given = {**NEARBY, "webhook_retry_for": 0}
    async with user_of(price_api, database_url, **given) as me:
        await me.add_rule("above", 100.0, webhook=f"http://127.0.0.1:{port}/")
        await me.add_rule("above", 100.5, webhook=receiver.url)
        await me.price(AAPL=101.0)
        dead, delivered = await ended(me, 2)
        assert dead[:2] == ("dead", 1)
        assert dead[2].startswith("the answer is not HTTP: ")
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


async def test_a_receiver_that_asks_for_a_rest_gets_it(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """`Retry-After` of a 429 holds for all of that user's calls to it, later ones too."""
    receiver.statuses = [429]
    receiver.headers = [("retry-after", "2")]
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.add_rule("above", 105.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        await receiver.until(lambda: receiver.posts)
        refused = trio.current_time()
        await me.price(AAPL=106.0)
        await me.until_fired(2)
        assert await ended(me, 2) == [("delivered", 2, None), ("delivered", 1, None)]
        assert trio.current_time() - refused > 1.9
        assert len(receiver.posts) == 3


async def test_gone_ends_all_that_wait_for_that_address(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """410 is not tried again, for none of the alerts to it; the API says so."""
    receiver.statuses = [503] * 1000
    receiver.headers = [("retry-after", "1")]
    async with user_of(price_api, database_url, **NEARBY) as me:
        rule = await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.add_rule("above", 100.5, webhook=receiver.url + "&other=1")
        await me.price(AAPL=101.0)
        await receiver.until(lambda: receiver.posts)
        await me.price(AAPL=90.0)
        await me.price(AAPL=102.0)
        await me.until_fired(4)
        tried, receiver.statuses = len(receiver.posts), [410]
        states = sorted(await ended(me, 4))
        why = "status 410: the receiver wants no more of these"
        assert [state[0] for state in states] == ["dead", "dead", "delivered", "delivered"]
        assert {state[2] for state in states} == {None, why}
        assert len(receiver.posts) == tried + 3
        first = next(one for one in await me.fired() if one["delivery"]["state"] == "dead")
        assert first["delivery"]["status"] == 410
        assert rule


async def test_an_alert_that_was_given_up_is_posted_by_hand(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """To the address that its rule has now, under the same id; so is one that was delivered."""
    async with user_of(price_api, database_url, **NEARBY, webhook_retry_for=0) as me:
        wrong = "http://127.0.0.1:1/"
        number = await me.add_rule("above", 100.0, webhook=wrong)
        await me.price(AAPL=101.0)
        assert await ended(me) == [("dead", 1, "no connection: Connection refused")]
        (alert,) = await me.fired()
        rule = {"symbol": "AAPL", "kind": "above", "threshold": 100.0, "webhook": receiver.url}
        assert (await me.http.put(f"{RULES}/{number}", json=rule)).status_code == 200
        for times in (1, 2):
            answer = await me.http.post(f"{FIRED}/{alert['id']}/post")
            assert answer.status_code == 200
            told = answer.json()
            assert (told["id"], told["delivery"]["state"]) == (alert["id"], "pending")
            assert await ended(me) == [("delivered", 1, None)]
            assert [post.json["id"] for post in receiver.posts] == [alert["id"]] * times


async def test_an_operator_sees_what_was_given_up_and_posts_it_again(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """By its receiver and its reason; whoever's alert it is; one that is nowhere is named."""
    path = "/admin/api/webhooks"
    async with user_of(price_api, database_url, **NEARBY, webhook_retry_for=0) as me:
        receiver.statuses = [500]
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        assert [state[0] for state in await ended(me)] == ["dead"]
        async with by_token(me.tree) as operator:
            queue = (await operator.get(path)).json()
            (dead,) = queue["dead"]
            assert (queue["waiting"], queue["receivers"]) == (0, [])
            assert (dead["symbol"], dead["status"], dead["attempts"]) == ("AAPL", 500, 1)
            assert dead["receiver"] in receiver.url
            answer = await operator.post(f"{path}/{dead['alert']}/post")
            assert answer.json()["receiver"] == dead["receiver"]
            assert await ended(me) == [("delivered", 1, None)]
            assert (await operator.get(path)).json()["dead"] == []
            assert (await operator.post(f"{path}/999999/post")).status_code == 404


async def test_posting_by_hand_does_not_wait_for_the_end_of_a_rest(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """The receiver asked for half an hour; its owner has mended it since."""
    receiver.statuses = [503]
    receiver.headers = [("retry-after", "1800")]
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        with trio.fail_after(20):
            while (alert := (await me.until_fired(1))[0])["delivery"]["status"] != 503:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert alert["delivery"]["next_attempt"] > alert["fired_at"]
        assert (await me.http.post(f"{FIRED}/{alert['id']}/post")).status_code == 200
        assert await ended(me) == [("delivered", 1, None)]


async def test_what_cannot_be_posted_by_hand_is_refused(
    price_api: PriceApi, database_url: str
) -> None:
    """An alert without a webhook, another user's, one that is none."""
    async with user_of(price_api, database_url) as me, visitor(me.tree) as other:
        await me.add_rule("above", 100.0)
        await me.price(AAPL=101.0)
        (alert,) = await me.until_fired(1)
        answer = await me.http.post(f"{FIRED}/{alert['id']}/post")
        assert (answer.status_code, fields_of(answer)) == (409, {"webhook"})
        for wrong in ("1-1-1", "1-1", "x", "1-1-" + "9" * 30):
            assert (await me.http.post(f"{FIRED}/{wrong}/post")).status_code == 404
        assert (await other.post(f"{FIRED}/{alert['id']}/post")).status_code == 404


async def test_two_nodes_post_each_call_once(
    price_api: PriceApi, receiver: Receiver, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take from the table at the same time; neither has been told of the calls."""
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 0.1)
    async with (
        user_of(price_api, database_url, **NEARBY, node_name="a") as me,
        user_of(price_api, database_url, **NEARBY, node_name="b") as other,
    ):
        await me.select(
            "INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis) "
            "SELECT 'owner-' || n % 20, 'MSFT', 'above', n, 0 FROM generate_series(1, 150) n "
            "RETURNING id"
        )
        await me.select(
            "WITH a AS (INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, price, "
            "quoted_at, epoch, seq, fired_at) SELECT id, owner, symbol, kind, threshold, 101, "
            "now(), 1, 1, now() FROM alert_rules RETURNING id, owner) "
            f"INSERT INTO webhook_deliveries (alert_id, owner, url) SELECT id, owner, "
            f"'{receiver.url}' FROM a RETURNING 1"
        )
        assert {state for state, *_ in await ended(me, 150)} == {"delivered"}
        assert len(receiver.posts) == len({post.json["id"] for post in receiver.posts}) == 150
        for one in (me, other):
            await one.until_told("webhooks", under_way=0)
        shares = [(await one.overview())["webhooks"]["delivered"] for one in (me, other)]
        assert sum(shares) == 150
        assert all(shares)


async def test_calls_that_waited_go_on_after_a_restart(
    price_api: PriceApi, receiver: Receiver, database_url: str, nursery: trio.Nursery
) -> None:
    """What failed before the stop, and what was under way then, is posted by the next process."""
    receiver.statuses = [503]
    receiver.headers = [("retry-after", "1")]
    hanging = Receiver(statuses=[0])
    await hanging.start(nursery)
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.add_rule("above", 100.5, webhook=hanging.url)
        await me.price(AAPL=101.0)
        await receiver.until(lambda: receiver.posts)
        await hanging.until(lambda: hanging.posts)
        ids = {post.json["id"] for post in (*receiver.posts, *hanging.posts)}
    assert len(ids) == 2
    async with user_of(price_api, database_url, **NEARBY) as me:
        found = await ended(me, 2)
        assert [state for state, *_ in found] == ["delivered", "delivered"]
        assert {post.json["id"] for post in (*receiver.posts[1:], *hanging.posts[1:])} == ids
    await hanging.stop()


@pytest.mark.proves("N23")
async def test_several_nodes_keep_the_rest_that_a_receiver_has_asked_for(
    price_api: PriceApi, receiver: Receiver, database_url: str
) -> None:
    """It meets one try after each rest, as from a single node, whichever node that comes from."""
    receiver.statuses = [503] * 10_000
    receiver.headers = [("retry-after", "1")]
    async with (
        user_of(price_api, database_url, **NEARBY) as me,
        fed_by(price_api, database_url=database_url, **NEARBY),
    ):
        await me.select(RULE)
        await select(me.tree.system.ref(paths.DATABASE), CALLS, "me", receiver.url, 20)
        await receiver.until(lambda: receiver.posts)
        began = trio.current_time()
        await receiver.until(lambda: len(receiver.posts) > 3)
        # Nobody knew the receiver at first, and then both nodes may have tried it.
        most = 2 + (trio.current_time() - began) // 1
        assert len(receiver.posts) <= most
        receiver.statuses, receiver.headers = [], []
        assert len(await ended(me, 20)) == 20
        ids = [post.headers["stockstream-alert"] for post in receiver.posts]
        assert len(ids) - len(set(ids)) < most
        assert await me.select("SELECT count(*) FROM webhook_lines") == [(0,)]


@pytest.mark.proves("N23")
async def test_a_call_whose_claim_is_nearly_over_is_left_to_others(
    price_api: PriceApi, receiver: Receiver, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for a while does not post what another node may post by then."""
    monkeypatch.setattr(webhooks, "LEASE_SLACK_SECONDS", -1.0)
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        with trio.fail_after(20):
            claimed = "SELECT count(*) FROM webhook_deliveries WHERE claimed_by IS NOT NULL"
            while await me.select(claimed) != [(1,)]:  # noqa: ASYNC110 - tables do not announce
                await trio.sleep(0.02)
        await me.until_told("webhooks", under_way=0)
        assert receiver.posts == []
        monkeypatch.setattr(webhooks, "LEASE_SLACK_SECONDS", 20.0)
        assert await ended(me) == [("delivered", 1, None)]
        assert len(receiver.posts) == 1


async def test_the_job_has_the_queue_looked_at_whatever_the_pause(
    price_api: PriceApi, receiver: Receiver, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that comes without a hint is posted when the job runs, which tells of it."""
    monkeypatch.setattr(webhooks, "LOOK_SECONDS", 3600.0)
    async with user_of(price_api, database_url, **NEARBY) as me:
        await me.add_rule("above", 100.0, webhook=receiver.url)
        await me.price(AAPL=101.0)
        assert await ended(me) == [("delivered", 1, None)]
        await me.until_told("webhooks", delivered=1, failed=0, dead=0, under_way=0)
        # The run of the start may have counted already, and wake the poster after the change below.
        over = "SELECT 1 FROM jobs WHERE name = 'webhooks' AND runs > 0 AND claimed_by IS NULL"
        with trio.fail_after(20):
            while not await me.select(over):  # noqa: ASYNC110 - a server tells nobody
                await trio.sleep(0.02)
        await me.select(
            "UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = now() RETURNING 1"
        )
        job = me.tree.system.ref(paths.job("webhooks"))
        note = "SELECT note FROM jobs WHERE name = 'webhooks'"
        with trio.fail_after(20):
            while await job.call(RunJob()) is not None:  # noqa: ASYNC110 - the first run may be on
                await trio.sleep(0.02)
        assert await ended(me) == [("delivered", 2, None)]
        with trio.fail_after(20):
            while await me.select(note) != [("1 wait, 1 due, 0 dead",)]:  # noqa: ASYNC110
                await trio.sleep(0.02)
        assert len(receiver.posts) == 2
