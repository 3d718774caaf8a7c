"""One connection's part of a tape: the client's frames in, frames out when they are due.

A sync core: it is told the time (monotonic seconds) and does no I/O. One connection owns it.
"""

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Final

from mockserver.json_types import Json, NotJson, read_json, write_json
from mockserver.streams.frames import NothingToTell, Scene, filled
from mockserver.streams.market import Market
from mockserver.streams.patterns import Captured, matched
from mockserver.streams.stream_faults import StreamFaults
from mockserver.streams.tape import Cue, Out, Tape, fits

GARBAGE: Final = '{"this is no JSON, and cut o'


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is to be closed with this code."""

    code: int


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the client's frame held, as the lines that answer it see it."""

    values: Mapping[str, Json]
    known: Sequence[str] = ()
    unknown: Sequence[str] = ()
    new: Sequence[str] = ()


_NOTHING_HEARD: Final = _Heard({})


class Player:
    """Plays `tape` to one client. `market` and `faults` are those of all its clients."""

    def __init__(
        self,
        tape: Tape,
        market: Market,
        faults: Callable[[], StreamFaults],
        *,
        dice: random.Random,
        clock: Callable[[], datetime],
    ) -> None:
        self._tape = tape
        self._market = market
        self._faults = faults
        self._dice = dice
        self._clock = clock
        self._held: dict[str, None] = {}
        self._states: set[str] = set()
        self._due: list[tuple[float, int, Out, _Heard]] = []
        self._order = 0
        self._count = 0
        self.unmatched: str | None = None
        """The last frame of the client that no line fits."""

    @property
    def held(self) -> Sequence[str]:
        """What this client has asked for."""
        return tuple(self._held)

    @property
    def next_due(self) -> float:
        """When there is something to send; infinity for never."""
        return self._due[0][0] if self._due else inf

    def opened(self, now: float, *, one_too_many: bool = False) -> None:
        """The client is there."""
        limit = self._tape.limit if one_too_many else None
        self._plan(self._tape.opening if limit is None else limit, _NOTHING_HEARD, now)

    def received(self, frame: str | bytes, now: float) -> None:
        """The client said something."""
        value = _read(frame)
        for cue in self._tape.cues:
            if cue.needs is not None and cue.needs not in self._states:
                continue
            captured = matched(cue.pattern, value)
            if captured is not None and self._applies(cue, captured):
                self._follow(cue, captured, now)
                return
        self.unmatched = frame[:200] if isinstance(frame, str) else repr(frame[:200])

    def due(self, now: float) -> list[str | Close]:
        """What is to be sent by now, in its order."""
        sent: list[str | Close] = []
        while self._due and self._due[0][0] <= now:
            at, _, out, heard = heapq.heappop(self._due)
            sent += self._told(out, heard)
            if out.every is not None:
                # Behind by more than one: a connection that stood still does not catch up.
                self._put(max(at + out.every, now), out, heard)
        return sent

    def _applies(self, cue: Cue, captured: Captured) -> bool:
        known = sum(map(self._market.knows, captured.symbols))
        return fits(cue.when, len(captured.symbols), known)

    def _follow(self, cue: Cue, captured: Captured, now: float) -> None:
        if cue.sets is not None:
            self._states.add(cue.sets)
        known = [name for name in captured.symbols if self._market.knows(name)]
        unknown = [name for name in captured.symbols if not self._market.knows(name)]
        new = [name for name in known if name not in self._held]
        if cue.holds:
            self._held.update(dict.fromkeys(known))
        if cue.drops:
            for name in captured.symbols:
                self._held.pop(name, None)
        self._plan(cue.outs, _Heard(captured.values, known, unknown, new), now)

    def _plan(self, outs: Sequence[Out], heard: _Heard, now: float) -> None:
        for out in outs:
            self._put(now + out.after, out, heard)

    def _put(self, at: float, out: Out, heard: _Heard) -> None:
        self._order += 1
        heapq.heappush(self._due, (at, self._order, out, heard))

    def _told(self, out: Out, heard: _Heard) -> list[str | Close]:
        if out.while_held and not self._held:
            return []
        faults = self._faults()
        if faults.mute == "all" or (faults.mute == "prices" and out.tells_prices):
            return []
        sets = {
            "known": heard.known,
            "unknown": heard.unknown,
            "new": heard.new,
            "held": tuple(self._held),
        }
        if out.tells_prices and out.every is not None:
            for held in self._held:
                self._market.move(held)
        sent: list[str | Close] = []
        told_of: Sequence[str | None] = [None] if out.each is None else sets[out.each]
        for name in told_of:
            self._count += 1
            scene = Scene(heard.values, sets, self._market, self._clock(), self._count)
            try:
                frame = filled(out.frame, scene, name)
            except NothingToTell:
                continue
            if frame is not None:
                garbled = faults.garbage and self._dice.random() < faults.garbage
                sent.append(GARBAGE if garbled else write_json(frame))
        if out.close is not None:
            sent.append(Close(out.close))
        return sent


def _read(frame: str | bytes) -> Json:
    """The JSON of a frame; what is none is a text, which a pattern may fit."""
    try:
        return read_json(frame)
    except NotJson:
        return frame if isinstance(frame, str) else frame.decode(errors="replace")
