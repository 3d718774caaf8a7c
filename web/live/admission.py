"""Limits of connections: in all, from one address, and of handshakes at the same time."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import trio

from web.limits import Buckets, Limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RETRY_SECONDS = 5
ADMITTED_AT_ONCE = 2
"""Handshakes that are answered at the same time; others wait in the order they came. They share
the core with the prices of connected clients, and sessions start one after another anyway."""
MOST_WAITING = 5_000
"""So many may wait: at 250 a second, the last of them waits 20 s. It is also the size of the
listening socket's backlog. More is useless, because a browser does not wait longer."""
LEAST_BURST = 100
REFILL_SECONDS = 10.0
"""An address may open all its connections at once, twice, and again after so long: a whole office
comes back after an outage. A client that only connects and leaves costs a handshake each time."""
MOST_ADDRESSES, MOST_USERS = 8_192, 4_096


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a WebSocket."""

    status: int
    code: str
    reason: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """Connections now, handshakes that wait, distinct addresses now, refusals by code word."""

    connections: int
    waiting: int
    addresses: int
    refused: Mapping[str, int]


def handshakes(most_per_address: int) -> tuple[Buckets, Buckets]:
    """The handshakes of each address, and of each user, who has half as many."""
    burst = max(LEAST_BURST, 2 * most_per_address)
    return (
        Buckets(Limit("handshakes_address", burst, REFILL_SECONDS, MOST_ADDRESSES)),
        Buckets(Limit("handshakes_user", burst // 2, REFILL_SECONDS, MOST_USERS)),
    )


class Admission:
    """Counts connections, in all and by `holder` (of a `Caller`), and lets some in at a time."""

    def __init__(
        self, *, most: int, most_per_address: int, handshakes: tuple[Buckets, Buckets]
    ) -> None:
        """`handshakes` are those of addresses and of users. They outlive this."""
        self._most = most
        self._most_per_address = most_per_address
        self._by_holder: Counter[str] = Counter()
        self._connections = 0
        self._handshakes, self._user_handshakes = handshakes
        self._door = trio.Semaphore(ADMITTED_AT_ONCE)
        self._refused: Counter[str] = Counter()

    def refusal(self, holder: str, now: float, *, unlimited: bool = False) -> Refusal | None:
        """Why one more of `holder` is refused, or None; that counts as a handshake of it. One that
        is `unlimited` is held by the limits of the node alone, and is not counted.
        """
        if self._connections >= self._most:
            reason = f"this node has its {self._most} connections"
            return Refusal(503, "full", reason, RETRY_SECONDS)
        if not unlimited and self._by_holder[holder] >= self._most_per_address:
            reason = f"at most {self._most_per_address} connections from one address"
            return Refusal(429, "too_many_connections", reason, RETRY_SECONDS)
        if self._door.statistics().tasks_waiting >= MOST_WAITING:
            return Refusal(503, "busy", "too many are waiting to be let in", RETRY_SECONDS)
        return None if unlimited else _refused(self._handshakes, holder, "from one address", now)

    def user_refusal(self, user: str, now: float) -> Refusal | None:
        """The same for a user, whom the handshake names, wherever from."""
        return _refused(self._user_handshakes, user, "by one user", now)

    def count_refusal(self, refusal: Refusal) -> None:
        """Count an answer that was no WebSocket."""
        self._refused[refusal.code] += 1

    @contextmanager
    def admitted(self, holder: str) -> Iterator[None]:
        """Count a connection for as long as it is there."""
        self._connections += 1
        self._by_holder[holder] += 1
        try:
            yield
        finally:
            self._connections -= 1
            self._by_holder[holder] -= 1
            if not self._by_holder[holder]:
                del self._by_holder[holder]

    @property
    def door(self) -> trio.Semaphore:
        """To be held while a client is admitted; first come, first served."""
        return self._door

    def statistics(self) -> AdmissionStatistics:
        """Counts, for operators."""
        return AdmissionStatistics(
            connections=self._connections,
            waiting=self._door.statistics().tasks_waiting,
            addresses=len(self._by_holder),
            refused=dict(self._refused),
        )


def _refused(handshakes: Buckets, key: str, whose: str, now: float) -> Refusal | None:
    wait = handshakes.take(key, now)
    if not wait:
        return None
    reason = f"at most {handshakes.limit.rate:g} new connections a second {whose}"
    return Refusal(429, "too_many_handshakes", reason, ceil(wait))
