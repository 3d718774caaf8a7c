"""How a feed that is pushed to is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream.market.feeds.line import LineTimes
from stockstream.market.feeds.mute import QUIET_SECONDS

if TYPE_CHECKING:
    from stockstream.quotes import Symbol


@dataclass(frozen=True, slots=True)
class PushSettings:
    """The symbols wanted always, and times in seconds.

    A feed whose key or plan was refused tries again after `misconfigured`. Failures in a row are
    forgotten when a line has lived for `healthy`. A line for which nothing is wanted is ended
    after `idle`, and one that is silent for `quiet` while its symbols trade is replaced. The new
    one has `settle` to have all symbols before the old one is given up. Clients are told an
    `interval`, at least.
    """

    symbols: frozenset[Symbol] = frozenset()
    misconfigured: float = 300.0
    healthy: float = 60.0
    idle: float = 30.0
    quiet: float = QUIET_SECONDS
    interval: float = 1.0
    settle: float = 10.0
    line: LineTimes = field(default_factory=LineTimes)
