"""What is written where no terminal is: a line for each price and for each change of a truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import msgspec

from stockstream.cli.watch import figures
from stockstream.cli.watch.printable import printable
from stockstream.cli.watch.standing import RowState, change, since
from stockstream.cli.watch.truths import truths
from stockstream.cli.watch.watching import Open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockstream.cli.watch.standing import Standing
    from stockstream.cli.watch.truths import Truths
    from stockstream.cli.watch.watching import Row, Watching

T = TypeVar("T")

LOOK_MS = 1_000.0
"""How often all symbols are looked at: a price grows old without a message."""


class Lines:
    """See the module. Whoever reads slowly gets fewer lines, each with the newest price."""

    def __init__(self, watching: Watching, *, count: int | None = None, as_json: bool) -> None:
        """After `count` prices nothing is written any more."""
        self._watching = watching
        self._left = count
        self._write = _Json() if as_json else _Plain()
        self._said: tuple[object, ...] = ()
        self._moved: dict[str, int] = {}
        self._stood: dict[str, tuple[RowState, str]] = {}
        self._looked_at = 0.0

    @property
    def done(self) -> bool:
        """Whether all prices that were wanted are written."""
        return self._left == 0

    def next(self, now: float) -> str:
        """What is new, as whole lines."""
        return "".join(f"{line}\n" for line in self._new(now))

    def _new(self, now: float) -> Iterator[str]:
        watching = self._watching
        told = truths(watching, now)
        node = watching.link.node if isinstance(watching.link, Open) else None
        states = told.connection.state, told.feed.state, told.breaker.state
        said = (*states, told.reason, watching.url, node)
        look = said != self._said or now - self._looked_at >= LOOK_MS
        if said != self._said:
            self._said = said
            yield self._write.truths(watching, told, node, now)
        for refused in _taken(watching.refused):
            yield self._write.refused(*refused)
        for notice in _taken(watching.notices):
            yield self._write.notice(notice)
        symbols: Iterable[str] = watching.rows if look else list(watching.changed)
        watching.changed.clear()
        if look:
            self._looked_at = now
        for symbol in symbols:
            if self.done:
                return
            yield from self._of(watching.rows[symbol], now)

    def _of(self, row: Row, now: float) -> Iterator[str]:
        if row.held is None or row.rejected is not None:
            return
        standing = self._watching.standing(row, now)
        stands = standing.state, standing.note
        moved = row.moved != self._moved.get(row.symbol, 0)
        if not moved and self._stood.get(row.symbol) == stands:
            return
        self._moved[row.symbol], self._stood[row.symbol] = row.moved, stands
        if moved and self._left is not None:
            self._left -= 1
        yield self._write.price(row, standing, self._watching.url)


class _Plain:
    def truths(self, watching: Watching, told: Truths, node: str | None, _now: float) -> str:
        if node is None:
            where = ", ".join(filter(None, (watching.url, told.connection.detail)))
            return printable(f"connection: {told.connection.name}, {where}")
        parts = [f"connection: {told.connection.name}, {watching.url} (node {node})"]
        for name, truth in (("feed", told.feed), ("breaker", told.breaker)):
            parts.append(f"{name}: {truth.name}" + (f", {truth.detail}" if truth.detail else ""))
        return printable(" | ".join(parts))

    def refused(self, symbol: str, _code: str, reason: str) -> str:
        return printable(f"{symbol} is not served: {reason}")

    def notice(self, text: str) -> str:
        return printable(text)

    def price(self, row: Row, standing: Standing, _url: str) -> str:
        held = row.held
        assert held is not None  # noqa: S101 - for the type checker
        parts = [row.symbol, figures.price(held.price, row.decimals)]
        if held.currency:
            parts.append(held.currency)
        day = change(held)
        if day is not None:
            absolute = figures.signed(day.absolute, row.decimals)
            percent = figures.signed(day.percent, 2)
            parts.append(f"{absolute} {percent} % {since(held)}".rstrip())
        state = standing.text if standing.state is not RowState.LIVE else f"{standing.text} old"
        line = f"{' '.join(parts)}, {state}"
        return printable(f"{line}: {standing.note}" if standing.note else line)


class _Json:
    def truths(self, watching: Watching, told: Truths, node: str | None, now: float) -> str:
        status, fetched_at = watching.status, watching.fetched_at
        return _line(
            type="status",
            url=watching.url,
            node=node,
            connection=told.connection.state,
            feed=told.feed.state,
            breaker=told.breaker.state,
            reason=told.reason,
            interval=None if status is None else status.interval,
            age=None if fetched_at is None else _seconds(now - fetched_at),
        )

    def refused(self, symbol: str, code: str, reason: str) -> str:
        return _line(type="refused", symbol=symbol, code=code, reason=reason)

    def notice(self, text: str) -> str:
        return _line(type="notice", text=text)

    def price(self, row: Row, standing: Standing, url: str) -> str:
        held = row.held
        assert held is not None  # noqa: S101 - for the type checker
        day = change(held)
        return _line(
            type="price",
            symbol=row.symbol,
            price=held.price,
            change=None if day is None else round(day.absolute, row.decimals),
            percent=None if day is None else round(day.percent, 4),
            base=held.base,
            basis=held.basis,
            state=standing.state,
            reason=standing.reason,
            note=standing.note,
            age=None if standing.age is None else _seconds(standing.age),
            delayed=held.delayed,
            delayed_seconds=held.delayed_seconds,
            session=held.session,
            timestamp=held.timestamp,
            version=list(held.version),
            previous_close=held.previous_close,
            day=None if held.day is None else msgspec.to_builtins(held.day),
            bid=held.bid,
            ask=held.ask,
            quoted_at=held.quoted_at,
            name=held.name,
            exchange=held.exchange,
            currency=held.currency,
            source=held.source,
            url=url,
        )


def error_line(reason: str, exit_code: int) -> str:
    """The last line of a run that failed, for programs."""
    return _line(type="error", exit_code=exit_code, error=reason) + "\n"


def _line(**fields: object) -> str:
    # In ASCII alone: what is read on a terminal nevertheless does not steer it.
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"))


def _seconds(milliseconds: float) -> float:
    return round(max(0.0, milliseconds) / 1000, 3)


def _taken(found: list[T]) -> list[T]:
    taken = list(found)
    found.clear()
    return taken
