"""What a client is told of symbols that it named and that no provider tells a price of. Pure.

It is told once, and once more when that is over. Each lane keeps what its client was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.delivery.protocol import NotServed, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.delivery.lanes import Connections, Lane
    from stockstream.quotes import Symbol
    from stockstream.refusals import Refusal
    from stockstream.tables import Subscription


def news(lane: Lane, connections: Connections) -> NotServed | None:
    """What to tell the lane's client; None for nothing."""
    if lane.not_served_seen == connections.not_served_number:
        return None
    before, now = lane.not_served, _of(lane.want, connections.not_served)
    named = lane.want.symbols
    message = NotServed(
        [
            Rejected(symbol, *refusal)
            for symbol, refusal in sorted(now.items())
            if before.get(symbol) != refusal
        ],
        sorted(symbol for symbol in before if symbol in named and symbol not in now),
    )
    return message if message.symbols or message.served else None


def told(lane: Lane, connections: Connections) -> None:
    """Note that the client knows all of it."""
    if lane.not_served_seen == connections.not_served_number:
        return
    lane.not_served = _of(lane.want, connections.not_served)
    lane.not_served_seen = connections.not_served_number


def wants(lane: Lane) -> None:
    """Note that the client has named others. Whom it named no more, it has forgotten."""
    named = lane.want.symbols
    lane.not_served = {symbol: why for symbol, why in lane.not_served.items() if symbol in named}
    lane.not_served_seen = -1


def concerns(want: Subscription, changed: frozenset[Symbol]) -> bool:
    """Whether a change is about any symbol that a client named."""
    return not want.everything and not want.symbols.isdisjoint(changed)


def difference(
    before: Mapping[Symbol, Refusal], now: Mapping[Symbol, Refusal]
) -> frozenset[Symbol]:
    """The symbols of which there is something else to tell than before."""
    both = before.keys() | now.keys()
    return frozenset(symbol for symbol in both if before.get(symbol) != now.get(symbol))


def _of(want: Subscription, refused: Mapping[Symbol, Refusal]) -> Mapping[Symbol, Refusal]:
    if want.everything or not refused:
        return {}
    if len(refused) < len(want.symbols):
        return {symbol: why for symbol, why in refused.items() if symbol in want.symbols}
    return {symbol: refused[symbol] for symbol in want.symbols if symbol in refused}
