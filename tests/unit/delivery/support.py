"""A client in memory, and rows to send it: what a test of the pure cores needs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from stockstream.delivery.fan_out import Framing
from stockstream.delivery.lanes import CLOSED, REFUSED, SENT
from stockstream.quotes import DayFigures, Quote, TopOfBook, Version, parse_symbol
from stockstream.statuses import QuoteRow

NOON = 1_795_348_800_000
"""Noon of a day in 2026, in ms since 1970."""
PING = b"(ping)\n"
FRAMING = Framing(lambda _size: b"\n", PING)
"""Frames that can be told apart by people: one per line."""


def row(
    symbol: str,
    price: float,
    seq: int,
    *,
    timestamp: int = NOON,
    opened: float = 100.0,
    previous: float | None = None,
    currency: str | None = "USD",
    source: str = "us",
    figures: DayFigures | None = None,
    top: TopOfBook | None = None,
) -> QuoteRow:
    quote = Quote(
        parse_symbol(symbol),
        price,
        timestamp,
        "TEST",
        currency,
        False,
        Version(1, seq),
        timestamp,
        figures=figures,
        top=top,
    )
    return QuoteRow(quote, opened, previous, source=source)


@dataclass
class MemoryClient:
    """Implements `lanes.Client`; takes `room` more sends, then refuses."""

    room: float = math.inf
    closed: bool = False
    begun: int = 0
    last_received: float = 0.0
    last_progress: float = 0.0
    sent: list[bytes] = field(default_factory=list)
    drains: int = 0
    asked: tuple[int, str] | None = None
    aborted: bool = False

    @property
    def ready(self) -> bool:
        return self.closed or self.begun == 0

    def try_send(self, frame: bytes, now: float) -> int:
        if self.closed:
            return CLOSED
        if self.room < 1 or self.begun:
            return REFUSED
        self.room -= 1
        self.sent.append(frame)
        return SENT

    def drained(self) -> None:
        self.drains += 1

    def ask_to_close(self, code: int, reason: str) -> None:
        self.asked = self.asked or (code, reason)

    def abort(self) -> None:
        self.aborted = self.closed = True

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All that came, pings left out."""
        lines = b"".join(self.sent).replace(PING, b"").splitlines()
        return [json.loads(line) for line in lines if line]

    def take(self) -> list[dict[str, Any]]:
        """What came since the last time."""
        messages = self.messages
        self.sent.clear()
        return messages

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]
