"""Whatever clients and kills do: versions rise, answers keep their order, nobody misses out.

A naive model stands beside the fan-out: what each client was promised, the newest row of each
symbol, and its state. Clients refuse and come back, flushes are killed at any turn, and at any time
a successor takes over with nothing but the table.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from stockstream import paths
from stockstream.delivery import fan_out as fan_out_module
from stockstream.delivery.fan_out import FanOut
from stockstream.delivery.lanes import Connections
from stockstream.delivery.messages import Answer, Attach, Changed, Say
from stockstream.delivery.protocol import Status
from stockstream.quotes import Version
from stockstream.statuses import Unconfirmed
from stockstream.tables import Subscription
from supervision.context import current_cell
from tests.unit.delivery.support import FRAMING, MemoryClient, row

SYMBOLS = ["AAPL", "MSFT", "TSLA", "NFLX"]
WANTS = st.frozensets(st.sampled_from(SYMBOLS)) | st.just("*")


class Watcher:
    """A client with its view of the world, checked with each message."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.client = MemoryClient()
        self.commands = 0
        self.last_request: Answer | Say | None = None
        self.answered: list[int] = []
        self.subscribed: set[str] = set()
        self.versions: dict[str, tuple[int, int]] = {}
        self.fields: dict[str, float] = {}
        self.reasons: dict[str, str | None] = {}
        self.status: str | None = None
        self.head: dict[str, int] = {}
        """What another node told it that is not known here yet: a seq of each symbol."""

    def read(self) -> None:
        for message in self.client.take():
            getattr(self, f"_on_{message['type']}")(message)

    def _on_welcome(self, _message: dict[str, Any]) -> None:
        assert self.status is None

    def _on_status(self, message: dict[str, Any]) -> None:
        self.status = message["feed"]

    def _on_subscriptions(self, message: dict[str, Any]) -> None:
        self.answered.append(message["id"])
        self.subscribed = set(message["symbols"])
        for gone in [s for s in self.versions if not self._wants(s)]:
            for kept in (self.versions, self.fields, self.reasons, self.head):
                kept.pop(gone, None)  # type: ignore[attr-defined]

    def _on_pong(self, message: dict[str, Any]) -> None:
        self.answered.append(message["id"])

    def _on_snapshot(self, message: dict[str, Any]) -> None:
        for quote in message["quotes"]:
            self._take(quote, again=True)
            self.fields[quote["symbol"]] = quote["open"]
            assert (quote["state"] == "live") == (quote["reason"] is None)
            self.reasons[quote["symbol"]] = quote["reason"]

    def _on_prices(self, message: dict[str, Any]) -> None:
        for quote in message["prices"]:
            assert quote["symbol"] in self.fields, "an update came before any snapshot"
            self._take(quote, again="state" in quote)
            if "state" in quote:
                assert (quote["state"] == "live") == ("reason" not in quote)
                self.reasons[quote["symbol"]] = quote.get("reason")

    def _take(self, quote: dict[str, Any], *, again: bool) -> None:
        symbol, version = quote["symbol"], tuple(quote["version"])
        last = self.versions.get(symbol, (0, 0))
        assert self._wants(symbol), f"{symbol} is not subscribed"
        assert version > last or (version == last and again)
        self.versions[symbol] = version

    def _wants(self, symbol: str) -> bool:
        return "*" in self.subscribed or symbol in self.subscribed


class FanOutMachine(RuleBasedStateMachine):
    watchers = Bundle("watchers")

    def __init__(self) -> None:
        super().__init__()
        self.token = current_cell.set(cast("Any", SimpleNamespace(path=paths.BROADCASTER)))
        self.connections = Connections()
        self.here: list[Watcher] = []
        self.count = 0
        self.now = 0.0
        self.seqs: dict[str, int] = {}
        self.opens: dict[str, float] = {}
        self.stale: dict[str, Unconfirmed] = {}
        self.feed = "live"
        self.restart()

    def teardown(self) -> None:
        current_cell.reset(self.token)

    @rule()
    def restart(self) -> None:
        self.fan_out = FanOut(self.connections, FRAMING)
        self.fan_out.set_status(Status(self.feed, "closed", 1.0))

    @rule(target=watchers, room=st.sampled_from([0, 1, math.inf]))
    def attach(self, room: float) -> Watcher:
        self.count += 1
        watcher = Watcher(self.count)
        watcher.client.room = room
        self.fan_out.attach(Attach(watcher.number, watcher.client, b'{"type":"welcome"}'), self.now)
        self.here.append(watcher)
        return watcher

    @rule(watcher=consumes(watchers), told=st.booleans())
    def leave(self, watcher: Watcher, told: bool) -> None:
        watcher.client.closed = True
        if told:
            self.fan_out.detach(watcher.number)
        self.here.remove(watcher)

    @rule(
        watcher=watchers,
        want=WANTS,
        rate=st.sampled_from([None, None, 1.0]),
        resume=st.booleans(),
        head=st.integers(0, 3),
    )
    def subscribe(
        self,
        watcher: Watcher,
        want: frozenset[str] | str,
        rate: float | None,
        resume: bool,
        head: int,
    ) -> None:
        subscription = (
            Subscription(everything=True)
            if want == "*"
            else Subscription(cast("Any", frozenset(want)))
        )
        if resume and head and watcher.commands == 0:
            # It comes from another node. Of all there are it names only what is known here too.
            listed = set(self.connections.book.symbols)
            for symbol in listed if want == "*" else want:
                watcher.head[symbol] = self.seqs.get(symbol, 0) + head
                watcher.versions[symbol] = (1, watcher.head[symbol])
        # What it gives up with a command that waits for its answer it does not claim to have.
        settled = len(watcher.answered) == watcher.commands
        known = watcher.versions if resume and settled else {}
        since = {s: Version(*v) for s, v in known.items()}
        watcher.commands += 1
        watcher.last_request = Answer(
            watcher.number, watcher.commands, Changed(subscription, ()), watcher.commands,
            cast("Any", since), rate,
        )  # fmt: skip
        self.again(watcher)

    @rule(watcher=watchers)
    def ping(self, watcher: Watcher) -> None:
        watcher.commands += 1
        pong = b'{"type":"pong","id":%d}' % watcher.commands
        watcher.last_request = Say(watcher.number, watcher.commands, pong)
        self.again(watcher)

    @rule(watcher=watchers)
    def again(self, watcher: Watcher) -> None:
        """A session's successor gives the last command again."""
        request = watcher.last_request
        if isinstance(request, Answer):
            self.fan_out.answer(request, self.now)
        elif isinstance(request, Say):
            self.fan_out.say(request, self.now)

    @rule(watcher=watchers, room=st.sampled_from([0, 1, 2, math.inf]))
    def take(self, watcher: Watcher, room: float) -> None:
        watcher.client.room = room

    @rule(symbols=st.frozensets(st.sampled_from(SYMBOLS), min_size=1), opened=st.booleans())
    def quote(self, symbols: frozenset[str], opened: bool) -> None:
        rows = []
        for symbol in symbols:
            self.seqs[symbol] = self.seqs.get(symbol, 0) + 1
            if opened or symbol not in self.opens:
                self.opens[symbol] = float(self.seqs[symbol])
            price = 100.0 + self.seqs[symbol]
            rows.append(row(symbol, price, self.seqs[symbol], opened=self.opens[symbol]))
        self.connections.book.note(rows)

    @rule(
        stale=st.dictionaries(
            st.sampled_from(SYMBOLS), st.sampled_from(["not_told", "outdated", None])
        )
    )
    def state(self, stale: dict[str, str | None]) -> None:
        self.stale = {symbol: Unconfirmed(reason, 7) for symbol, reason in stale.items()}
        self.connections.book.note_unconfirmed(cast("Any", self.stale))

    @rule(feed=st.sampled_from(["live", "stale"]))
    def status(self, feed: str) -> None:
        self.feed = feed
        self.fan_out.set_status(Status(feed, "closed", 1.0))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def flush(self) -> None:
        for _ in self.fan_out.flush(self.now):
            pass

    @rule(turns=st.integers(1, 5))
    def flush_and_die(self, turns: int) -> None:
        for _, _ in zip(self.fan_out.flush(self.now), range(turns), strict=False):
            pass
        self.restart()

    @rule()
    def heartbeat(self) -> None:
        for _ in self.fan_out.heartbeat(self.now, 0.5, 4.0):
            pass

    @invariant()
    def versions_rise_and_answers_keep_their_order(self) -> None:
        for watcher in self.here:
            watcher.read()
            assert watcher.answered == list(range(1, len(watcher.answered) + 1))

    @rule()
    def everybody_takes_everything_again(self) -> None:
        """Then nothing is missing: neither an answer, nor the newest of any symbol."""
        for watcher in self.here:
            watcher.client.room = math.inf
        self.now += 100.0
        self.flush()
        self.versions_rise_and_answers_keep_their_order()
        for watcher in self.here:
            assert watcher.answered == list(range(1, watcher.commands + 1))
            assert watcher.status == self.feed
            wanted = set(self.seqs) if "*" in watcher.subscribed else watcher.subscribed
            here = {s for s in wanted if s in self.seqs}
            expected = {s: (1, self.seqs[s]) for s in here | watcher.head.keys() if s in self.seqs}
            ahead = {s: (1, seq) for s, seq in watcher.head.items() if seq > self.seqs.get(s, 0)}
            assert watcher.versions == expected | ahead
            for symbol in ahead:
                expected.pop(symbol, None)
                watcher.fields.pop(symbol, None)
                watcher.reasons.pop(symbol, None)
            assert watcher.fields == {s: self.opens[s] for s in expected}
            reasons = {s: self.stale[s].reason if s in self.stale else None for s in expected}
            assert watcher.reasons == reasons
        assert {lane.number for lane in self.connections.lanes()} >= {w.number for w in self.here}
        assert all(lane.behind_since is None for lane in self.connections.lanes())
        assert len(self.fan_out._groups) <= len(self.connections)


class TestFanOut(FanOutMachine.TestCase):
    settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

    @pytest.fixture(autouse=True)
    def _a_snapshot_for_each_symbol(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fan_out_module, "SNAPSHOT_PART", 1)

    @pytest.mark.proves("W1", "W2", "W8", "W20", "W21", "D4")
    def runTest(self) -> None:  # noqa: N802 - unittest's name
        """See the module."""
        super().runTest()
