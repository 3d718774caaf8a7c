"""What the command tells a process of clients, and what that tells it: JSON, a line each."""

from __future__ import annotations

import msgspec

MEASURE = b"measure\n"
"""Everything counts anew from here."""
STOP = b"stop\n"
"""The `Findings` are to be told, and then the process ends."""


class Plan(msgspec.Struct, frozen=True):
    """The clients of one process.

    `chosen` are the symbols of each client; their number is that of the clients. So many of them
    connect in a second (`ramp`), and so many leave and come back (`churn`).
    """

    urls: list[str]
    token: str
    chosen: list[list[str]]
    ramp: float
    churn: float
    seed: int


class Counts(msgspec.Struct, tag=True):
    """What is counted from `MEASURE` on, but for the first two, which tell of now.

    `tried` clients have connected or failed to at least once, `open` ones are connected. `moved`
    are counted from the start on, as what was refused or lost is.
    """

    tried: int = 0
    open: int = 0
    messages: int = 0
    prices: int = 0
    connects: int = 0
    churned: int = 0
    moved: int = 0
    """Connections whose end the server announced (`going_away`)."""
    older: int = 0
    """Prices that came after a newer one of their symbol: there must be none."""


class Findings(msgspec.Struct, tag=True):
    """What a process of clients found. Times are in ms, by how often each was met.

    `delays` are of each clock of a server: the client's steady clock less the one in a message.
    Only differences of them mean something: `delivery.py`. `pauses` are between two messages with
    prices to a client, and `silences` between two messages of any kind, the longest of each client.
    A client that was cut off goes on with its pause until its next price; one that left by itself
    begins anew.
    """

    counts: Counts
    delays: dict[str, list[dict[int, int]]]
    round_trip: float | None
    handshakes: dict[int, int]
    first_prices: dict[int, int]
    pauses: dict[int, int]
    silences: dict[int, int]
    refused: dict[str, int]
    """By what was said of why no connection came about."""
    lost: dict[str, int]
    """By what was said of the end of a connection that was there."""
    not_taken: dict[str, int]
    """Symbols that the server did not take, by its word for why."""
    cpu: float
    """Seconds of CPU from `MEASURE` on."""
    seconds: float
