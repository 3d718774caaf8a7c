"""A codec and the stub's tape of its provider face to face, in virtual time, without a socket."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from mockserver.incoming import Request
from mockserver.server import BUNDLED_TAPES
from mockserver.streams.channels import Channel
from mockserver.streams.market import Market
from mockserver.streams.player import Close, Player
from mockserver.streams.stream_faults import StreamFaults
from mockserver.streams.tape import load_tapes
from stockstream.market.providers.push import (
    Access,
    Event,
    Prices,
    PushProvider,
    Refused,
    Subscribed,
    Trouble,
    Turn,
    Unread,
)
from stockstream.quotes import Observation, Symbol, parse_symbol

TAPES = load_tapes(BUNDLED_TAPES)
BEGIN = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
SEED = 20261130
STEP = 0.05
NOBODY = Symbol("NO-SUCH")


def without_flows(events: Iterable[Event]) -> tuple[Event, ...]:
    """Without what was traded, which grows with each trade that is told, new or not."""
    return tuple(
        Prices(tuple(msgspec.structs.replace(one, flow=None) for one in event.observations))
        if isinstance(event, Prices)
        else event
        for event in events
    )


class Line:
    """One connection: what the codec told, and every frame the provider sent."""

    def __init__(self, provider: PushProvider, key: str = "our-key", **faults: object) -> None:
        self.now = 0.0
        self.faults = StreamFaults(**faults)  # type: ignore[arg-type]
        tape = TAPES[provider.scheme]
        dice = random.Random(SEED)
        self.player = Player(
            tape,
            Market(tape.prices, dice),
            lambda: self.faults,
            dice=dice,
            clock=lambda: BEGIN + timedelta(seconds=self.now),
        )
        self.access = access_of(provider, key)
        self.codec = provider.codec(self.access)
        self.events: list[Event] = []
        self.frames: list[str] = []
        self.sent: list[str] = []
        self.closed: int | None = None

    def open(self, *, one_too_many: bool = False) -> None:
        self.player.opened(self.now, one_too_many=one_too_many)
        self.take(self.codec.opened(self.now))

    def want(self, *symbols: Symbol) -> None:
        self.take(self.codec.want(frozenset(symbols), self.now))

    def run(self, seconds: float) -> None:
        """So many seconds pass."""
        end = self.now + seconds
        while self.now < end and self.closed is None:
            self.now = round(self.now + STEP, 6)
            for frame in self.player.due(self.now):
                if isinstance(frame, Close):
                    self.closed = frame.code
                    return
                self.frames.append(frame)
                self.hear(frame)
            if abs(self.now - round(self.now)) < STEP / 2:
                self.take(self.codec.due(self.now))

    def hear(self, frame: str | bytes) -> Turn:
        """The codec is given a frame, whoever made it."""
        turn = self.codec.received(frame, self.now, self.wall)
        self.take(turn)
        return turn

    @property
    def wall(self) -> int:
        return round((BEGIN + timedelta(seconds=self.now)).timestamp() * 1000)

    def take(self, turn: Turn) -> None:
        self.events += turn.events
        for frame in turn.frames:
            self.sent.append(frame)
            self.player.received(frame, self.now)

    @property
    def prices(self) -> list[Observation]:
        return [one for told in self.of(Prices) for one in told.observations]

    @property
    def subscribed(self) -> frozenset[Symbol]:
        return frozenset().union(*(told.symbols for told in self.of(Subscribed)))

    @property
    def refused(self) -> list[Symbol]:
        return [told.symbol for told in self.of(Refused)]

    @property
    def troubles(self) -> list[str]:
        return [told.kind for told in self.of(Trouble)]

    @property
    def unread(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for told in self.of(Unread):
            counts[told.kind] += told.count
        return counts

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        return [event for event in self.events if isinstance(event, kind)]


def access_of(provider: PushProvider, key: str = "our-key") -> Access:
    """As the stub is reached."""
    return Access(
        f"ws://stub.example/__streams/{provider.scheme}",
        key=key if provider.needs_key else None,
        secret="our-secret" if provider.needs_secret else None,
    )


def by_rest(provider: PushProvider, *symbols: Symbol) -> tuple[int, bytes]:
    """What the tape answers to the question for the latest prices."""
    assert provider.latest is not None
    asked = provider.latest.request(access_of(provider), frozenset(symbols)).url
    dice = random.Random(SEED)
    channel = Channel(TAPES[provider.scheme], dice, lambda: BEGIN)
    answer = channel.answer(Request("GET", asked.removeprefix("http://stub.example")))
    return answer.status, answer.body


def symbols_of(provider: PushProvider) -> tuple[Symbol, ...]:
    return tuple(map(parse_symbol, provider.starters))


def price_frame(line: Line) -> str:
    """The latest frame that told a price."""
    for frame in reversed(line.frames):
        if any(
            isinstance(event, Prices)
            for event in line.codec.received(frame, line.now, line.wall).events
        ):
            return frame
    raise AssertionError("no frame told a price")


def is_json(frame: str) -> bool:
    try:
        json.loads(frame)
    except ValueError:
        return False
    return True
