"""The public form of an alert: the same on the socket, in a webhook and by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from typing import Self

    from stockstream.messages import Alert


class ToldAlert(msgspec.Struct, frozen=True):
    """The public fields of an alert.

    `threshold` is a price, or percents for a move within `window` seconds from `reference`. It
    stands for so many `crossings`: those that came within a cool-down are told in one. `source` is
    the upstream that told the price.
    """

    id: str
    rule: int
    symbol: str
    kind: str
    threshold: float
    window: int | None
    price: float
    reference: float | None
    timestamp: str
    version: tuple[int, int]
    fired_at: str
    crossings: int
    exchange: str | None
    currency: str | None
    source: str | None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Tell an alert; a subclass with fields of its own adds them itself."""
        return cls(
            id=alert.id,
            rule=alert.rule,
            symbol=alert.symbol,
            kind=alert.kind,
            threshold=alert.threshold,
            window=alert.window,
            price=alert.price,
            reference=alert.reference,
            timestamp=iso_utc(alert.timestamp),
            version=alert.version,
            fired_at=iso_utc(alert.fired_at),
            crossings=alert.crossings,
            exchange=alert.exchange,
            currency=alert.currency,
            source=alert.source,
        )
