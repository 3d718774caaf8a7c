"""Own heartbeats: what they tell beside membership, and how long they take to come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.cluster.load import Load
from stockstream.times import Moment
from stockstream.version import program_version

if TYPE_CHECKING:
    from stockstream.cluster.wire import Heartbeat, Wants
    from stockstream.histogram import Histogram

UNHEARD_BEATS = 20
"""Heartbeats whose echo is still timed."""


class OwnBeats:
    """See the module. Operators reach this node at `address`, browsers at `public_url`, if at all.

    `echoed` is when a heartbeat came back last, and `echo_seconds` after how long.
    """

    def __init__(self, address: str, public_url: str, echoes: Histogram) -> None:
        """`echoes` counts the seconds until a heartbeat came back."""
        self.address = address
        self.public_url = public_url
        self.echoed: Moment | None = None
        self.echo_seconds: float | None = None
        self._echoes = echoes
        self._sent: dict[int, float] = {}  # by number: when, on trio's clock
        self._load = Load()

    @property
    def load(self) -> float:
        """The share of a core that the process used between the last two measurements."""
        return self._load.share

    def measure_load(self) -> None:
        """To be called at each heartbeat interval."""
        self._load.measure(trio.current_time())

    def whole(self, beat: Heartbeat, wants: Wants, wall_ms: int) -> Heartbeat:
        """A heartbeat that is about to be said, with all that it tells."""
        self._sent[beat.number] = trio.current_time()
        while len(self._sent) > UNHEARD_BEATS:
            del self._sent[next(iter(self._sent))]
        return msgspec.structs.replace(
            beat,
            wants=wants.number,
            product=program_version(),
            address=self.address,
            public_url=self.public_url,
            load=self.load,
            clients=wants.connections,
            clock=max(wall_ms, 0),
        )

    def came_back(self, beat: Heartbeat) -> None:
        """It was heard here as by all others."""
        sent = self._sent.pop(beat.number, None)
        if sent is not None:
            self.echoed = Moment.now()
            self.echo_seconds = self.echoed.seconds - sent
            self._echoes.add(self.echo_seconds)
