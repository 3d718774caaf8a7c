"""A session: what it does with a client's commands, and with partners that restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel
import trio.testing

from stockstream import paths
from stockstream.delivery.limits import ClientLimits
from stockstream.delivery.messages import Attach, Close, Command, Forget, GetPresence, Served
from stockstream.messages import Demand, DemandWanted, EpochSeen
from stockstream.quotes import parse_symbol
from stockstream.shards import Sharding, index_of
from stockstream.tables import Subscription
from stockstream.times import DAY_MS
from supervision import ActorRef, terminate_child
from tests.unit.delivery.support import NOON, MemoryClient, row
from tests.unit.delivery.tree import LIMITS, Delivery, running_delivery

if TYPE_CHECKING:
    from trio.testing import MockClock


class Talker:
    """A client with its session; gives commands as its connection would."""

    def __init__(self, delivery: Delivery, number: int, limits: ClientLimits) -> None:
        self.delivery = delivery
        self.number = number
        self.limits = limits
        self.client = MemoryClient()
        self.commands = 0
        self.session: ActorRef | None = None

    async def start(self) -> None:
        attach = Attach(self.number, self.client, b'{"type":"welcome"}')
        await self.delivery.broadcaster.call(attach)
        await self.start_session()

    async def start_session(self) -> None:
        self.session = await self.delivery.start_session(self.number, self.limits)

    async def say(self, message: str | bytes | dict[str, object]) -> Served | Close:
        self.commands += 1
        return await self.repeat(message)

    async def repeat(self, message: str | bytes | dict[str, object]) -> Served | Close:
        assert self.session is not None
        text = json.dumps(message) if isinstance(message, dict) else message
        return await self.session.call(Command(self.commands, text), timeout=30)

    def answers(self) -> list[dict[str, object]]:
        """What came in answer to commands since the last time."""
        kinds = {"subscriptions", "pong", "error"}
        return [message for message in self.client.take() if message["type"] in kinds]


async def talking(delivery: Delivery, number: int = 1, limits: ClientLimits = LIMITS) -> Talker:
    if not delivery.tables.feeds.rows:
        await delivery.fetched(row("AAPL", 150.0, 1), row("MSFT", 310.0, 1))
    talker = Talker(delivery, number, limits)
    await talker.start()
    return talker


@pytest.mark.proves("W8")
async def test_commands_are_answered_with_their_ids(autojump_clock: MockClock) -> None:
    """Each by its own kind of answer."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        assert await me.say({"action": "subscribe", "symbols": ["aapl"], "id": "a"}) == Served()
        assert await me.say({"action": "ping", "id": 2}) == Served()
        assert await me.say({"action": "unsubscribe", "symbols": "*", "id": 3.5}) == Served()
        first, second, third = me.answers()
        assert (first["symbols"], first["id"]) == (["AAPL"], "a")
        assert (second["type"], second["id"]) == ("pong", 2)
        assert (third["symbols"], third["id"]) == ([], 3.5)


@pytest.mark.proves("W5")
async def test_what_makes_no_sense_as_a_whole_is_an_error(autojump_clock: MockClock) -> None:
    """Taking one symbol from all of them."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await me.say({"action": "subscribe", "symbols": "*"})
        await me.say({"action": "unsubscribe", "symbols": ["AAPL"], "id": 7})
        _, error = me.answers()
        assert (error["type"], error["code"], error["id"]) == ("error", "subscribed_to_all", 7)
        assert delivery.tables.subscriptions.get(1) == Subscription(everything=True)


@pytest.mark.proves("W10")
async def test_a_flood_is_refused_with_errors_and_then_closed(autojump_clock: MockClock) -> None:
    """Each refused command is answered, with its id; a burst beyond the burst is too much."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        assert all([await me.say({"action": "ping", "id": n}) == Served() for n in range(200)])
        answers = me.answers()
        assert [answer["type"] for answer in answers] == ["pong"] * 100 + ["error"] * 100
        assert [answer["id"] for answer in answers] == list(range(200))
        assert {(a["code"], a["temporary"]) for a in answers[100:]} == {("rate_limited", True)}
        closed = await me.say({"action": "ping"})
        assert isinstance(closed, Close)
        assert closed.code == 1008


@pytest.mark.proves("W10")
@pytest.mark.parametrize(("rate", "ends"), [(49, False), (54, False), (70, True)])
async def test_a_rate_above_the_limit_ends_when_it_goes_on(
    rate: int, ends: bool, autojump_clock: MockClock
) -> None:
    """A little above it is only refused; far above it for a while is closed."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        answer: Served | Close = Served()
        for _ in range(rate * 20):
            answer = await me.say({"action": "ping"})
            if answer != Served():
                break
            await trio.sleep(1 / rate)
        assert isinstance(answer, Close) == ends


@pytest.mark.proves("W10")
async def test_more_names_than_can_be_subscribed_are_refused_unread(
    autojump_clock: MockClock,
) -> None:
    """Whatever they are, to subscribe to or to give up; as many as can be are served."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        names = ["AAPL"] * 1_000
        for action in ("subscribe", "unsubscribe"):
            assert await me.say({"action": action, "symbols": [*names, "MSFT"], "id": 1})
            (error,) = me.answers()
            assert (error["code"], error["id"]) == ("too_many_symbols", 1)
            assert error["reason"] == "a message may name 1000 symbols, and names 1001"
        await me.say({"action": "subscribe", "symbols": names, "id": 2})
        (answer,) = me.answers()
        assert (answer["symbols"], answer["rejected"]) == (["AAPL"], [])


@pytest.mark.proves("W10")
@pytest.mark.parametrize(
    ("message", "served"),
    [
        ({"action": "ping"}, 100),
        ({"action": "subscribe", "symbols": ["AAPL"] * 99}, 100),
        ({"action": "subscribe", "symbols": ["AAPL"] * 1_000}, 9),
        ({"action": "unsubscribe", "symbols": ["AAPL"] * 300}, 25),
        (
            {"action": "subscribe", "symbols": [], "since": {f"S{n}": (1, 1) for n in range(900)}},
            10,
        ),
        ({"action": "unsubscribe", "symbols": "*"}, 100),
        # More than half a burst is never asked for: the greatest command is served too.
        ({"action": "subscribe", "symbols": [""] * 21_000}, 1),
    ],
)
async def test_a_message_counts_by_what_it_costs(
    message: dict[str, object], served: int, autojump_clock: MockClock
) -> None:
    """A burst of 100 is used up by fewer messages that name many."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        refused = 0
        for _ in range(served + 1):
            assert refused == 0
            await me.say(message)
            refused += [answer.get("code") for answer in me.answers()].count("rate_limited")
        assert refused == 1


@pytest.mark.proves("W10")
async def test_everything_counts_by_how_much_there_is(autojump_clock: MockClock) -> None:
    """One that asks for all 2,000 symbols again and again is refused after some ten."""
    async with running_delivery() as delivery:
        await delivery.fetched(*(row(f"S{n}", 100.0, 1) for n in range(2_000)))
        await trio.sleep(0.1)
        me = await talking(delivery)
        codes: list[object] = []
        for _ in range(11):
            await me.say({"action": "subscribe", "symbols": "*"})
            await me.say({"action": "unsubscribe", "symbols": "*"})
            codes += [answer.get("code") for answer in me.answers()]
        assert codes.index("rate_limited") == 16


@pytest.mark.proves("W10")
async def test_nothing_that_a_client_makes_up_is_kept(autojump_clock: MockClock) -> None:
    """And of what is known, one text for all who want it."""
    async with running_delivery() as delivery:
        first, second = await talking(delivery), await talking(delivery, number=2)
        for me, known in ((first, ["AAPL", "MSFT"]), (second, ["AAPL"])):
            made_up = [f"NONE{n}" for n in range(500)]
            await me.say({"action": "subscribe", "symbols": [*made_up, *known]})
        rows = delivery.tables.subscriptions.rows
        assert {frozenset(row.symbols) for row in rows.values()} == {
            frozenset({"AAPL", "MSFT"}),
            frozenset({"AAPL"}),
        }
        texts = {id(symbol) for row in rows.values() for symbol in row.symbols}
        assert len(texts) == 2


@pytest.mark.proves("W11")
async def test_ten_bad_messages_in_a_minute_are_too_many(autojump_clock: MockClock) -> None:
    """Nine are answered, each naming what is wrong; the tenth closes. Spread out, none does."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        bad: list[str | bytes] = ["{", "[]", "3", b"\x00", '{"action":"buy","id":1}'] * 2
        assert [await me.say(message) for message in bad[:9]] == [Served()] * 9
        answers = me.answers()
        assert {answer["code"] for answer in answers} == {"bad_message"}
        assert all(answer["reason"] for answer in answers)
        closed = await me.say(bad[9])
        assert isinstance(closed, Close)
        assert closed.code == 1008
        patient = await talking(delivery, number=2)
        for _ in range(30):
            assert await patient.say("{") == Served()
            await trio.sleep(7)


@pytest.mark.proves("W11")
async def test_no_message_ends_the_session(autojump_clock: MockClock) -> None:
    """Also those made to break a parser."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        for text in (
            '{"action":"subscribe","symbols":' + "[" * 30_000,
            '{"action":"subscribe","x":' + '{"a":' * 12_000,
            '{"action":"ping","id":' + "9" * 60_000 + "}",
            '{"action":"subscribe","symbols":["' + "A" * 60_000 + '"]}',
            '{"action":"subscribe","symbols":["\\u0000","\\ud800\\udc00","İ"]}',
            '{"action":"subscribe","symbols":"*","max_rate":5e-324}',
            '{"action":"subscribe","symbols":"*","since":{"":[0,0],"AAPL":[-1,-99999999999999]}}',
        ):
            assert await me.say(text) == Served()
        assert me.session is not None
        assert me.session.alive
        assert len(me.answers()) == 7


@pytest.mark.proves("W19", "W8")
@pytest.mark.parametrize("partner", [paths.SUBSCRIPTION_MANAGER, paths.BROADCASTER])
async def test_a_partner_that_restarts_is_waited_for(
    partner: str, autojump_clock: MockClock
) -> None:
    """The command is answered, once."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await me.say({"action": "subscribe", "symbols": ["AAPL"], "id": 1})
        delivery.system.ref(partner).kill()
        assert await me.say({"action": "subscribe", "symbols": ["MSFT"], "id": 2}) == Served()
        answers = me.answers()
        assert [(a["id"], a["symbols"]) for a in answers] == [(1, ["AAPL"]), (2, ["AAPL", "MSFT"])]


@pytest.mark.proves("W14")
@pytest.mark.parametrize("message", [{"action": "ping"}, {"action": "subscribe", "symbols": "*"}])
@pytest.mark.parametrize("missing", [paths.SUBSCRIPTION_MANAGER, paths.BROADCASTER])
async def test_without_its_partners_a_session_gives_up(
    missing: str, message: dict[str, object], autojump_clock: MockClock
) -> None:
    """After some seconds, with a code that means: come back. It does not crash."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await terminate_child(delivery.system.ref("delivery"), missing.partition("/")[2])
        answer = await me.say(message)
        if message["action"] == "ping" and missing == paths.SUBSCRIPTION_MANAGER:
            assert answer == Served()
        else:
            assert answer == Close(4000, "the server could not serve you; come back")
        assert await me.say("{") in {Served(), answer}
        assert me.session is not None
        assert me.session.alive


@pytest.mark.proves("W19")
async def test_what_a_killed_session_refused_is_not_done_by_its_successor(
    autojump_clock: MockClock,
) -> None:
    """The client heard that it was not; its connection gives the command again all the same."""
    async with running_delivery() as delivery:
        me = await talking(delivery, limits=ClientLimits(65_536, 50, 1, 1000))
        await me.say({"action": "ping"})
        subscribe = {"action": "subscribe", "symbols": ["AAPL"], "id": 2}
        await me.say(subscribe)
        assert me.session is not None
        me.session.kill()
        await me.start_session()
        assert await me.repeat(subscribe) == Served()
        _, refused = me.answers()
        assert refused["code"] == "rate_limited"
        assert delivery.tables.subscriptions.get(1) is None


@pytest.mark.proves("W18")
async def test_presence_and_demand_count_who_wants_what(autojump_clock: MockClock) -> None:
    """Also after the manager was killed; a storm of changes is told as one demand."""
    async with running_delivery() as delivery:
        talkers = [await talking(delivery, number) for number in range(1, 5)]
        del delivery.demands[:]
        for talker, symbols in zip(talkers, (["AAPL"], ["AAPL", "MSFT"], "*", []), strict=True):
            await talker.say({"action": "subscribe", "symbols": symbols})
        delivery.manager.kill()
        await trio.sleep(0.1)
        here = await delivery.manager.call(GetPresence())
        assert (here.connections, here.subscribed, here.everything) == (4, 3, 1)
        assert dict(here.symbols) == {"AAPL": 2, "MSFT": 1}
        expected = Demand(frozenset({"AAPL", "MSFT"}), everything=True, subscribers=3)
        assert delivery.demands[-1] == expected
        assert len(delivery.demands) <= 2
        delivery.manager.cast(DemandWanted())
        await trio.lowlevel.checkpoint()
        await delivery.manager.call(GetPresence())
        assert delivery.demands[-1] == expected
        for number in range(1, 5):
            delivery.manager.cast(Forget(number))
        delivery.manager.cast(Forget(99))
        await trio.sleep(0.1)
        assert delivery.demands[-1] == Demand(frozenset(), everything=False, subscribers=0)
        assert len(delivery.tables.subscriptions) == 0


@pytest.mark.proves("W17")
async def test_a_subscription_without_a_connection_is_swept_out(
    autojump_clock: MockClock,
) -> None:
    """`Forget` went to nobody, while the manager restarted."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await me.say({"action": "subscribe", "symbols": ["AAPL"]})
        delivery.manager.kill()
        delivery.manager.cast(Forget(1))
        me.client.closed = True
        await trio.sleep(7)
        assert len(delivery.tables.subscriptions) == 0
        assert (await delivery.manager.call(GetPresence())).subscribed == 0
        assert delivery.demands[-1].subscribers == 0


@pytest.mark.proves("W4")
async def test_before_the_first_list_every_good_symbol_is_accepted(
    autojump_clock: MockClock,
) -> None:
    """Afterwards one that the provider does not list is unknown."""
    async with running_delivery() as delivery:
        me = Talker(delivery, 1, LIMITS)
        await me.start()
        await me.say({"action": "subscribe", "symbols": ["NOPE", "AAPL", "!!"]})
        await delivery.fetched(row("AAPL", 150.0, 1))
        await me.say({"action": "subscribe", "symbols": ["NOPE2"]})
        await trio.sleep(0.1)
        snapshots = [m for m in me.client.messages if m["type"] == "snapshot"]
        assert [q["symbol"] for q in snapshots[-1]["quotes"]] == ["AAPL"]
        first, second = me.answers()
        assert first["symbols"] == second["symbols"] == ["AAPL", "NOPE"]
        assert [r["code"] for r in first["rejected"]] == ["invalid_symbol"]
        assert [r["code"] for r in second["rejected"]] == ["unknown_symbol"]


@pytest.mark.proves("N17")
async def test_versions_above_ours_are_told_the_membership_once_a_second(
    autojump_clock: MockClock,
) -> None:
    """The highest of each shard, of symbols that there are, and of epochs that there can be."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await trio.sleep(1.0)  # until the prices are flushed
        epochs = {"AAPL": 7, "MSFT": 9, "NONE": 11}

        async def subscribe(**since: int) -> list[EpochSeen]:
            delivery.seen.clear()
            told = {symbol: [epoch, 1] for symbol, epoch in since.items()}
            await me.say({"action": "subscribe", "symbols": list(since), "since": told})
            await trio.testing.wait_all_tasks_blocked()
            return list(delivery.seen)

        assert await subscribe(**epochs) == [EpochSeen(parse_symbol("MSFT"), 9)]
        assert await subscribe(**epochs) == []
        await trio.sleep(1.0)
        assert await subscribe(AAPL=1, MSFT=1) == [], "these are ours"
        assert await subscribe(AAPL=NOON + DAY_MS) == [], "no node gives such an epoch"
        assert await subscribe(AAPL=NOON + DAY_MS // 2) == [
            EpochSeen(parse_symbol("AAPL"), NOON + DAY_MS // 2)
        ]
        two = index_of(parse_symbol("AAPL"), 8) != index_of(parse_symbol("MSFT"), 8)
        me.session = await delivery.start_session(me.number, sharding=Sharding({"us": 8}))
        assert {seen.epoch for seen in await subscribe(**epochs)} == ({7, 9} if two else {9})
        assert two
        me.session = await delivery.start_session(me.number, sharding=None)
        assert await subscribe(**epochs) == [], "a single node has nobody to tell"


@pytest.mark.proves("W1", "N17")
async def test_a_version_that_no_node_gives_is_none(autojump_clock: MockClock) -> None:
    """Who makes one up is served as one who has nothing, and is not deaf for a day."""
    async with running_delivery() as delivery:
        me = await talking(delivery)
        await trio.sleep(1.0)  # until the prices are flushed
        me.client.take()
        since = {"AAPL": [NOON + DAY_MS, 1]}
        await me.say({"action": "subscribe", "symbols": ["AAPL"], "since": since})
        snapshot = next(one for one in me.client.take() if one["type"] == "snapshot")
        assert [quote["symbol"] for quote in snapshot["quotes"]] == ["AAPL"]
