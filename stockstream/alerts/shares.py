"""Which calls may be posted now: slots are shared by owner, by receiver and by the line's record.

A line is the calls of one owner to one receiver. New users and new names of receivers are free, so
no owner or receiver can be trusted to release its slot soon. Each line is in one of three classes,
which have slots of their own: lines whose calls are taken promptly, unknown lines, and lines in
trouble. A line that hangs is in trouble after one call, and then delays only others in trouble.

No I/O and no clock of its own: seconds of a monotonic clock are passed in. It is owned by the
webhooks' actor. Its knowledge ends with that actor, and each node has its own. Only which lines
fail, and until when they rest, all nodes have in common, by the table that `call_rows.py` reads.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROMPT_SECONDS = 1.0
"""A call that holds its slot for longer was not prompt, even if it succeeded."""
PROBATION = 5
"""Prompt calls in a row before a line is out of trouble: one that hangs now and then stays in."""
MOST_LINES = 10_000
"""Lines that are remembered, some 3 MB; beyond it the least recently used are forgotten."""
_LARGEST_DOUBLING = 20


class Line(NamedTuple):
    """The calls of an owner to a receiver; `receiver` is the host and port of an address."""

    owner: str
    receiver: str


class Standing(Enum):
    """How a line has gone so far."""

    PROMPT = "prompt"
    UNTRIED = "untried"
    TROUBLED = "troubled"


@dataclass(frozen=True, slots=True)
class Share:
    """Slots of a class: in all, and of these for each owner, each receiver, each line."""

    slots: int
    owner: int
    receiver: int
    line: int


SHARES = {
    Standing.PROMPT: Share(slots=32, owner=4, receiver=8, line=4),
    # One call shows whether a line is prompt, so it needs no second one beside it.
    Standing.UNTRIED: Share(slots=32, owner=2, receiver=4, line=1),
    Standing.TROUBLED: Share(slots=16, owner=2, receiver=2, line=1),
}


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between tries: the first pause, which doubles up to the longest."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row."""
        return min(self.first * 2.0 ** min(failures - 1, _LARGEST_DOUBLING), self.longest)


class DueLine(NamedTuple):
    """A line with calls to be posted: their number, and for how many seconds the oldest is due.

    `failures` in a row are known in the table, 0 for a line that does not fail.
    """

    line: Line
    calls: int
    due_for: float
    failures: int = 0


class LineRecord(NamedTuple):
    """How a line stands after a call: `failures` in a row, and seconds that all leave it alone."""

    line: Line
    failures: int
    rest: float


class CallSlot(NamedTuple):
    """What a call under way holds; to be given back with `end`."""

    line: Line
    standing: Standing


@dataclass(slots=True)
class _History:
    """How a line has gone: prompt calls, and failures, in a row; how long it is on probation."""

    prompt: int = 0
    failures: int = 0
    probation: int = 0
    rests_until: float = 0.0

    @property
    def standing(self) -> Standing:
        if self.probation > 0:
            return Standing.TROUBLED
        return Standing.PROMPT if self.prompt > 0 else Standing.UNTRIED


class Shares:
    """See the module."""

    def __init__(self, pauses: Pauses, random: Callable[[], float]) -> None:
        """`random` gives numbers in [0, 1) for the jitter of the pauses."""
        self._pauses = pauses
        self._random = random
        self._lines: OrderedDict[Line, _History] = OrderedDict()
        self._troubled: Counter[str] = Counter()
        self._used: Counter[tuple[Standing, str, str]] = Counter()

    def standing(self, line: Line) -> Standing:
        """The class that the line's next call belongs to."""
        known = self._lines.get(line)
        return Standing.UNTRIED if known is None else known.standing

    def rests_until(self, line: Line) -> float:
        """Until when nothing is posted on the line; in the past when it does not rest."""
        known = self._lines.get(line)
        return 0.0 if known is None else known.rests_until

    def end_rest(self, line: Line) -> None:
        """Let the line be tried now: somebody asks for it."""
        known = self._lines.get(line)
        if known is not None:
            known.rests_until = 0.0

    def failures(self, line: Line) -> int:
        """Its failures in a row."""
        known = self._lines.get(line)
        return 0 if known is None else known.failures

    def learn(self, line: Line, failures: int) -> None:
        """Take in what the table has: another node may have tried the line meanwhile."""
        if failures == self.failures(line):
            return
        known = self._history(line)
        was = known.standing
        known.failures = failures
        if failures:
            known.prompt, known.probation = 0, PROBATION
        else:
            known.rests_until = 0.0
        self._count_trouble(line, was, known.standing)

    @property
    def full(self) -> bool:
        """Whether no slot of any class is free."""
        return all(self._used[standing, "", ""] >= SHARES[standing].slots for standing in Standing)

    def allot(self, due: Iterable[DueLine], now: float) -> dict[Line, int]:
        """How many calls of each line may begin now; those of it left out get none.

        Slots go round, one to each line at a time. First come the owners with the fewest lines in
        trouble, because an owner with many hanging receivers has many unknown lines, too; then the
        lines that have been due for longest.
        """
        lines = sorted(
            (one for one in due if self.rests_until(one.line) <= now),
            key=lambda one: (self._troubled[one.line.owner], -one.due_for),
        )
        given: Counter[Line] = Counter()
        planned = self._used.copy()
        while True:
            before = given.total()
            for line, calls, *_ in lines:
                standing = self.standing(line)
                if given[line] < calls and _fits(planned, line, standing):
                    planned.update(_uses(line, standing))
                    given[line] += 1
            if given.total() == before:
                return dict(given)

    def begin(self, line: Line) -> CallSlot:
        """Take a slot for a call; also where none is free, since the call is claimed already."""
        slot = CallSlot(line, self.standing(line))
        self._used.update(_uses(*slot))
        return slot

    def end(self, slot: CallSlot) -> None:
        """Give a slot back."""
        self._used.subtract(_uses(*slot))
        for use in _uses(*slot):
            if self._used[use] <= 0:
                del self._used[use]

    def note_answer(self, line: Line, seconds: float) -> None:
        """A call was taken, or refused for good, in so many seconds: the receiver answers."""
        known = self._history(line)
        was = known.standing
        known.failures = 0
        known.rests_until = 0.0
        if seconds > PROMPT_SECONDS:
            known.prompt, known.probation = 0, PROBATION
        else:
            known.prompt += 1
            known.probation = max(known.probation - 1, 0)
        self._count_trouble(line, was, known.standing)

    def note_failure(
        self, line: Line, attempts: int, now: float, asked: float | None = None
    ) -> float:
        """A call failed for the `attempts`-th time: its line rests. Seconds to the next try.

        A call that fails where others succeed has longer pauses than its line. A receiver may ask
        for a longer rest.
        """
        known = self._history(line)
        was = known.standing
        known.prompt, known.probation = 0, PROBATION
        if known.rests_until <= now:  # calls that fail side by side are one failure
            known.failures += 1
        jitter = 0.75 + self._random() / 2
        rest = max(self._pauses.after(known.failures) * jitter, asked or 0.0)
        known.rests_until = max(known.rests_until, now + rest)
        self._count_trouble(line, was, known.standing)
        return max(rest, self._pauses.after(attempts) * jitter)

    def _history(self, line: Line) -> _History:
        known = self._lines.setdefault(line, _History())
        self._lines.move_to_end(line)
        if len(self._lines) > MOST_LINES:
            forgotten, history = self._lines.popitem(last=False)
            self._count_trouble(forgotten, history.standing, Standing.UNTRIED)
        return known

    def _count_trouble(self, line: Line, was: Standing, now: Standing) -> None:
        change = (now is Standing.TROUBLED) - (was is Standing.TROUBLED)
        self._troubled[line.owner] += change
        if self._troubled[line.owner] == 0:
            del self._troubled[line.owner]


def _uses(line: Line, standing: Standing) -> tuple[tuple[Standing, str, str], ...]:
    """What a call counts for: its class, and in it the owner, the receiver, the line."""
    owner, receiver = line
    return (standing, "", ""), (standing, owner, ""), (standing, "", receiver), (standing, *line)


def _fits(used: Counter[tuple[Standing, str, str]], line: Line, standing: Standing) -> bool:
    share = SHARES[standing]
    limits = share.slots, share.owner, share.receiver, share.line
    return all(used[use] < most for use, most in zip(_uses(line, standing), limits, strict=True))
