"""What all codecs do alike: ask for what is wanted once they are let in, and note what is answered.

A provider's codec is a `Conversation` that says how its provider writes symbols, what is sent to
ask for them, and what its messages mean. Asked for is what is wanted and neither acknowledged nor
refused on this connection; a symbol that was refused is asked for again on the next one. An answer
that does not come within `ANSWER_SECONDS` ends the connection: the provider has lost the question.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from stockstream.market.optional_fields import read_number
from stockstream.market.providers.frames import (
    OPTIONAL_FIELD,
    UNASKED_SYMBOL,
    Fields,
    Taken,
    Unreadable,
    decoded,
    fields,
)
from stockstream.market.providers.push import Ready, Refused, Subscribed, Trouble, Turn
from stockstream.quotes import LARGEST_VOLUME, Flow
from stockstream.refusals import INVALID_SYMBOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stockstream.quotes import Symbol

ANSWER_SECONDS = 10.0
CALM_SECONDS = 1.0
_REMEMBERED = 4096


class Conversation(abc.ABC):
    """A `Codec` but for what one provider speaks. Names are symbols as the provider writes them."""

    acknowledges = True
    """Whether the provider answers a subscription. Else it counts as heard when the provider shows
    that it `works`, or has not complained for `CALM_SECONDS`.
    """

    def __init__(self) -> None:
        self._opened = False
        self._let_in = False
        self._wanted: dict[str, Symbol] = {}
        self._asked: dict[str, float] = {}
        self._held: set[str] = set()
        self._refused: set[str] = set()
        self._unwritable: set[Symbol] = set()
        self._left: dict[str, None] = {}
        self._flows: dict[str, Flow] = {}
        self._waits_since: float | None = None
        self._now = 0.0
        self.wall = 0

    # What a provider speaks

    @abc.abstractmethod
    def written(self, symbol: Symbol) -> str | None:
        """How the provider writes the symbol; None: it has none of this form."""

    @abc.abstractmethod
    def greet(self, taken: Taken) -> None:
        """The socket is open: log in, or be `let_in` at once."""

    @abc.abstractmethod
    def subscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Send what asks for these."""

    @abc.abstractmethod
    def unsubscribe(self, names: Sequence[str], taken: Taken) -> None:
        """Send what ends these."""

    @abc.abstractmethod
    def read(self, message: object, taken: Taken) -> None:
        """A message came. Raises `Unreadable` for one that is not understood."""

    def tick(self, now: float, taken: Taken) -> None:  # noqa: B027 - most want to hear nothing
        """Time has passed; send what the provider wants to hear regularly."""

    # A `Codec`

    def opened(self, now: float) -> Turn:
        """The socket is open."""
        taken = Taken()
        self._opened, self._now = True, now
        self.greet(taken)
        if not self._let_in:
            self._waits_since = now
        return taken.turn()

    def want(self, symbols: frozenset[Symbol], now: float) -> Turn:
        """From now on prices of all these and of no others are wanted."""
        taken = Taken()
        self._now = now
        self._unwritable &= symbols
        dropped = [name for name, symbol in self._wanted.items() if symbol not in symbols]
        for name in dropped:
            del self._wanted[name]
            self._refused.discard(name)
        there = set(self._wanted.values())
        for symbol in sorted(symbols - there - self._unwritable):
            written = self.written(symbol)
            if written is not None:
                self._wanted[written] = symbol
            else:
                self._unwritable.add(symbol)
                taken.tell(Refused(symbol, INVALID_SYMBOL, "no symbol as this provider has them"))
        self._end([name for name in dropped if name in self._asked or name in self._held], taken)
        self._ask(taken)
        return taken.turn()

    def received(self, frame: str | bytes, now: float, wall: int) -> Turn:
        """A frame came."""
        return self.received_all((frame,), now, wall)

    def received_all(self, frames: Iterable[str | bytes], now: float, wall: int) -> Turn:
        """Frames came together."""
        taken = Taken()
        self._now, self.wall = now, wall
        for frame in frames:
            try:
                self.read(decoded(frame), taken)
            except Unreadable as unreadable:
                taken.left_out(unreadable)
        return taken.turn()

    def due(self, now: float) -> Turn:
        """Time has passed."""
        taken = Taken()
        self._now = now
        if self._waits_since is not None and now - self._waits_since >= ANSWER_SECONDS:
            self._waits_since = None
            taken.tell(Trouble("not_let_in", f"no answer to our greeting in {ANSWER_SECONDS:g} s"))
        patience = ANSWER_SECONDS if self.acknowledges else CALM_SECONDS
        late = [name for name, at in self._asked.items() if now - at >= patience]
        if late and not self.acknowledges:
            self.acknowledge(late, taken)
        elif late:
            for name in late:
                del self._asked[name]
            detail = f"no answer in {ANSWER_SECONDS:g} s to the subscription of {len(late)} symbols"
            taken.tell(Trouble("unanswered", detail))
        elif self._opened:
            self.tick(now, taken)
        return taken.turn()

    # For what a provider speaks

    def let_in(self, taken: Taken) -> None:
        """The provider has let us in: ask for what is wanted."""
        self._waits_since = None
        if not self._let_in:
            self._let_in = True
            taken.tell(Ready())
            self._ask(taken)

    def acknowledge(self, names: Iterable[str], taken: Taken) -> None:
        """The provider will tell prices of these."""
        held = [name for name in names if self._asked.pop(name, None) is not None]
        self._held.update(held)
        symbols = frozenset(self._wanted[name] for name in held if name in self._wanted)
        if symbols:
            taken.tell(Subscribed(symbols))

    def works(self, taken: Taken) -> None:
        """A provider that acknowledges nothing has shown that it works."""
        self.acknowledge(list(self._asked), taken)

    def refuse(self, names: Iterable[str], code: str, reason: str, taken: Taken) -> None:
        """The provider will tell no prices of these."""
        for name in names:
            if self._asked.pop(name, None) is None:
                continue
            self._refused.add(name)
            symbol = self._wanted.get(name)
            if symbol is not None:
                taken.tell(Refused(symbol, code, reason))

    @property
    def asked(self) -> frozenset[str]:
        """What was asked for and not answered."""
        return frozenset(self._asked)

    @property
    def held(self) -> frozenset[str]:
        """What the provider tells prices of."""
        return frozenset(self._held)

    def symbol(self, name: str) -> Symbol | None:
        """Whose price it is; None for what was wanted until just now, which may still come.

        Raises `Unreadable` for what nobody asked for.
        """
        symbol = self._wanted.get(name)
        if symbol is None and name not in self._left:
            raise Unreadable(UNASKED_SYMBOL, f"a price of {name[:32]!r}, which was not asked for")
        return symbol

    def flow(self, name: str, size: object, taken: Taken) -> Flow | None:
        """What was traded of it on this connection, with a trade of this size; None where no size
        was told yet. A bad one is left out and counted.
        """
        flow = self._flows.get(name)
        if size is None:
            return flow
        number = read_number(size)
        if number is None or not 0.0 <= number <= LARGEST_VOLUME:
            taken.left_out(Unreadable(OPTIONAL_FIELD, f"the size of a trade of {name}"))
            return flow
        flow = Flow(*(self.wall, number) if flow is None else (flow.since, flow.volume + number))
        self._flows[name] = flow
        return flow

    def each(
        self, items: Iterable[object], read: Callable[[Fields, Taken], None], taken: Taken
    ) -> None:
        """Read the items of a message one by one; a bad one costs itself only."""
        for item in items:
            try:
                read(fields(item, "an item"), taken)
            except Unreadable as unreadable:
                taken.left_out(unreadable)

    def _ask(self, taken: Taken) -> None:
        if not self._let_in:
            return
        known = self._asked.keys() | self._held | self._refused
        names = [name for name in self._wanted if name not in known]
        if not names:
            return
        self.subscribe(names, taken)
        self._asked.update(dict.fromkeys(names, self._now))

    def _end(self, names: Sequence[str], taken: Taken) -> None:
        if not names:
            return
        for name in names:
            self._asked.pop(name, None)
            self._held.discard(name)
            self._flows.pop(name, None)
            self._left[name] = None
        while len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]
        self.unsubscribe(names, taken)
