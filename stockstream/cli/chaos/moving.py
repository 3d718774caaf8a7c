"""Watching clients that move from node to node, as a browser does, and note what they see."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import trio

from stockstream.cli.watch.client import Client
from stockstream.cli.watch.nodes import Itinerary, parse_address
from stockstream.cli.watch.watching import Open, Watching
from stockstream.delivery.protocol import Prices, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.delivery.protocol import ServerMessage


@dataclass
class Seen(Watching):
    """What a client saw, over all its connections. Times are trio's."""

    newest: dict[str, tuple[int, int]] = field(default_factory=dict)
    came: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, message: ServerMessage, now: float) -> None:
        """Take a message, and note whether it goes back."""
        if isinstance(message, Snapshot):
            for quote in message.quotes:
                version = max(self.newest.get(quote.symbol, quote.version), quote.version)
                self.newest[quote.symbol] = version
            if message.quotes:
                self.came.append(trio.current_time())
        elif isinstance(message, Prices):
            for update in message.prices:
                last = self.newest.get(update.symbol, update.version)
                if update.version < last:
                    self.faults.append(f"{update.symbol} went from {last} to {update.version}")
                self.newest[update.symbol] = max(last, update.version)
            if message.prices:  # else it is a heartbeat
                self.came.append(trio.current_time())
        super().take(message, now)

    @property
    def interval(self) -> float:
        """Seconds between two fetches, as it was told."""
        return 1.0 if self.status is None else self.status.interval

    def longest_gap(self, began: float, ended: float) -> float:
        """The longest time without prices that touches the span."""
        times = [at for at in self.came if at <= ended]
        if not times:
            return ended - began
        gaps = [after - before for before, after in pairwise(times) if after > began]
        return max([*gaps, ended - times[-1]])

    @property
    def latest(self) -> float:
        """When prices came last."""
        return self.came[-1] if self.came else -inf

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return isinstance(self.link, Open)


async def move_between(seen: Seen, urls: Sequence[str]) -> None:
    """Keep a client connected to the first of the nodes, and to another one when that goes.

    Raises:
        StartError: none of them serves it.
    """
    await Client(seen, Itinerary([parse_address(url) for url in urls], random.random)).run()
