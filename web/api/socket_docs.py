"""The messages of the WebSocket, for `/docs`: each with an example that its struct has written.

`docs/asyncapi.yaml` is the whole description; this is what a person needs to begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Struct

from stockstream.delivery.protocol import (
    EVERYTHING,
    AlertsChanged,
    ClientMessage,
    Error,
    Expiring,
    GoingAway,
    Ping,
    Pong,
    Prices,
    PriceUpdate,
    Rejected,
    Snapshot,
    SnapshotQuote,
    Status,
    Subscribe,
    Subscriptions,
    Unsubscribe,
)
from stockstream.quotes import Basis, TradingSession, Version
from stockstream.statuses import SymbolState
from stockstream.told_quote import ToldDay


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its name, when it comes or what it asks for, and one as it is on the wire."""

    name: str
    note: str
    example: str


def _message(message: Struct, note: str) -> Message:
    fields = msgspec.to_builtins(message)
    if isinstance(message, ClientMessage):
        # What a client need not say would only raise questions.
        fields = {name: value for name, value in fields.items() if value not in (None, {})}
    return Message(str(message.__struct_config__.tag), note, msgspec.json.encode(fields).decode())


_QUOTE = SnapshotQuote(
    symbol="AAPL",
    price=150.25,
    timestamp="2026-11-27T15:00:00.123Z",
    version=Version(1795378525327, 42),
    open=148.0,
    previous=150.2,
    exchange="NASDAQ",
    currency="USD",
    delayed=False,
    delayed_seconds=None,
    session=TradingSession.REGULAR,
    name="Apple Inc.",
    source="us",
    previous_close=147.2,
    day=ToldDay(high=151.6, low=147.9, open=148.0, volume=27631112.0),
    bid=150.24,
    ask=150.26,
    base=147.2,
    basis=Basis.PREVIOUS_CLOSE,
    base_at=None,
    day_zone="America/New_York",
    changed=8123001,
    state=SymbolState.LIVE,
    reason=None,
    confirmed=None,
)
_UPDATE = PriceUpdate(
    "AAPL",
    150.27,
    "2026-11-27T15:00:01.123Z",
    Version(1795378525327, 43),
    bid=150.26,
    ask=150.28,
)
_AS_OF = "2026-11-27T15:00:01.200Z"

SENT = (
    _message(
        Subscribe(["AAPL", "MSFT"], id=1),
        f'Asks for symbols; `"symbols": "{EVERYTHING}"` for all. After a reconnect, '
        '`"since": {"AAPL": [1795378525327, 42]}` leaves out what you have; `"max_rate": 2` '
        "limits the messages with prices per second.",
    ),
    _message(Unsubscribe(["MSFT"], id=2), "Gives symbols up."),
    _message(Ping(3), "Is answered with `pong`."),
)
"""What a client may send. The `id` is its own mark and comes back in the answer."""

CAME = (
    _message(
        Subscriptions(
            ["AAPL"], [Rejected("!!", "invalid_symbol", "only A-Z, 0-9 and … are allowed")], 1
        ),
        "Answers `subscribe` and `unsubscribe`: all that the connection follows now, and what was "
        "not taken.",
    ),
    _message(
        Snapshot(_AS_OF, 8123456, 8123400, [_QUOTE]),
        "Follows with all that is known of each symbol. `steady` is the server's monotonic clock "
        "in ms; `fetched` and `changed` are by the same, so their difference is an age.",
    ),
    _message(
        Prices(_AS_OF, 8123506, 8123400, [_UPDATE]),
        "Comes when a price changes, and empty every 5 seconds at least. `state` and `reason` are "
        "in it when a symbol becomes stale, or live again.",
    ),
    _message(
        Status("live", "closed", 1.0, steady=8123506, fetched=8123400),
        "Says how the feed and its circuit breaker do, at the start and at each change.",
    ),
    _message(Pong("2026-11-27T15:00:02.000Z", 3), "Answers `ping`."),
    _message(
        Error("bad_message", "symbols: expected list, got int", id=UNSET),
        "Refuses a message, and says why; the connection stays.",
    ),
    _message(
        GoingAway(1.7), "Comes before the server closes for a restart: reconnect after so long."
    ),
    _message(
        AlertsChanged(), "Comes when the user's rules have changed, or alerts were read, elsewhere."
    ),
    _message(
        Expiring(60), "Comes before the login, or the token, ends that let the connection in."
    ),
)
"""What the server may send, but for `welcome`, the first, and `alert`, which users get."""
