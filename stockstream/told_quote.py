"""The public form of a quote: the same on the socket and by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from stockstream.names import bundled_name
from stockstream.quotes import Base, Basis, TradingSession, Version, iso_utc
from stockstream.statuses import SymbolState

if TYPE_CHECKING:
    from typing import Self

    from stockstream.quotes import DayFigures, TopOfBook
    from stockstream.statuses import QuoteRow

Time = TypeVar("Time", int, str)
"""How `changed` and `confirmed` are told: as ms of the server's monotonic clock, or as ISO 8601."""


class ToldDay(msgspec.Struct, frozen=True):
    """What the provider tells of the day; what it does not tell is left out.

    With `rolling` it is of the last 24 hours, and of no exchange's day: `open` is the price of 24
    hours ago. `at` is the time of the price that it was told with, where that is an earlier one.
    """

    high: float | UnsetType = UNSET
    low: float | UnsetType = UNSET
    open: float | UnsetType = UNSET
    volume: float | UnsetType = UNSET
    rolling: bool | UnsetType = UNSET
    at: str | UnsetType = UNSET

    @classmethod
    def of(cls, figures: DayFigures) -> Self:
        """Tell these."""
        return cls(
            UNSET if figures.high is None else figures.high,
            UNSET if figures.low is None else figures.low,
            UNSET if figures.open is None else figures.open,
            UNSET if figures.volume is None else figures.volume,
            figures.rolling or UNSET,
            UNSET if figures.at is None else iso_utc(figures.at),
        )


ToldTop = tuple[float | UnsetType, float | UnsetType, str | UnsetType]


def told_top(top: TopOfBook | None) -> ToldTop:
    """`bid`, `ask` and `quoted_at`; what there is none of is left out."""
    if top is None:
        return UNSET, UNSET, UNSET
    bid, ask = top.bid, top.ask
    return (
        UNSET if bid is None else bid,
        UNSET if ask is None else ask,
        UNSET if top.at is None or (bid is None and ask is None) else iso_utc(top.at),
    )


class ToldQuote(msgspec.Struct, Generic[Time], frozen=True, kw_only=True):
    """The public fields of a quote. What is not known is None; the `day` is left out then.

    `open` is the first price of the day, `previous` the last price that differed from this one. The
    change of the day is against `base`, and `basis` says what that is. The day begins at midnight
    in `day_zone`, an IANA zone: that of the exchange, or `UTC` where the exchange is not known.
    `name` is what the provider says, or the usual one of a symbol that is well known.
    `source` is the name of the upstream that told it.
    `session` is what the provider says, or the calendar of the exchange.
    `bid` and `ask` are those beside this price: where they are left out, none are known.
    `quoted_at` is when they were told, where that is not the time of the price.
    `changed` is when the price last became another one, or was first seen. `reason` says why a
    symbol is stale, `confirmed` when its price was last told by the provider and taken.
    """

    symbol: str
    price: float
    timestamp: str
    version: Version
    open: float
    previous: float | None
    exchange: str | None
    currency: str | None
    delayed: bool
    delayed_seconds: int | None
    session: TradingSession | None
    name: str | None
    source: str | None
    previous_close: float | None
    day: ToldDay | UnsetType = UNSET
    bid: float | UnsetType = UNSET
    ask: float | UnsetType = UNSET
    quoted_at: str | UnsetType = UNSET
    base: float
    basis: Basis
    base_at: str | None
    day_zone: str
    changed: Time
    state: SymbolState
    reason: str | None
    confirmed: Time | None

    @classmethod
    def of(
        cls, row: QuoteRow, *, changed: Time, reason: str | None, confirmed: Time | None
    ) -> Self:
        """Tell a quote; with a `reason` it is stale."""
        quote = row.quote
        base = row.base or Base(row.open, Basis.FIRST_SEEN, None)
        bid, ask, quoted_at = told_top(quote.top)
        return cls(
            symbol=quote.symbol,
            price=quote.price,
            timestamp=iso_utc(quote.timestamp),
            version=quote.version,
            open=row.open,
            previous=row.previous,
            exchange=quote.exchange,
            currency=quote.currency,
            delayed=quote.delayed,
            delayed_seconds=quote.delayed_seconds,
            session=session_of(row),
            name=quote.name or bundled_name(quote.symbol, quote.exchange, quote.currency),
            source=row.source or None,
            previous_close=quote.previous_close,
            day=UNSET if quote.figures is None else ToldDay.of(quote.figures),
            bid=bid,
            ask=ask,
            quoted_at=quoted_at,
            base=base.price,
            basis=base.basis,
            base_at=None if base.at is None else iso_utc(base.at),
            day_zone="UTC" if row.day is None else row.day.day.zone,
            changed=changed,
            state=SymbolState.LIVE if reason is None else SymbolState.STALE,
            reason=reason,
            confirmed=confirmed,
        )


def session_of(row: QuoteRow) -> TradingSession | None:
    """What the market of a symbol does: as the provider says, else by its calendar."""
    """The provider's word counts more than the calendar."""
    told, known = row.quote.session, row.session
    return known.session if told is None and known is not None else told
