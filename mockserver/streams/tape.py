"""Reads tapes: `*.jsonl` files, one line for each thing that is said or waited for.

Every line has a `dir`:

- ``market``: `prices`, where the price of each symbol begins. First, and once.
- ``out``: after `at` ms (0) the stub sends `frame`. Lines before the first ``in`` count from the
  opening of the connection, others from when the ``in`` above them was matched. `every` (ms) sends
  it again and again. `each` sends one frame for each symbol of a set: ``known`` or ``unknown`` of
  those in the client's frame, ``new`` of them only now, or ``held``, all the client has asked for.
  `while`: ``held`` sends it only to who holds one. `close` closes the connection after it.
- ``in``: fits a frame of the client, at any time and as often as it comes; the first line that fits
  is taken. `frame` is a pattern. `holds` or `drops` (true): its symbols are from now on told, or
  not. `when`: ``known`` or ``unknown`` fits only where at least one or none of its symbols is,
  ``all`` where each is, and ``one`` where it is the only one.
  `sets` and `needs` name a state: an ``in`` that needs it fits after the one that sets it.
- ``refuse``: the handshake is answered with `status` where `query` fits, or `unless` does not.
- ``limit``: the ``out`` lines below it are said to one connection too many.
- ``rest``: `path` and `query` are answered with `frame` and `status` (200); `when` as above.

In a frame that is sent ``$name`` stands for a value: what the pattern took, or one of `VALUES`.
In a list ``"$held"`` stands for all names of that set, and an object with the member
``"$each": "held"`` for one object of each. Elsewhere such an object has its members once for each:
``{"$each": "held", "$symbol": …}``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mockserver.json_types import Json, NotJson, read_json
from mockserver.problems import FieldError, Notice, Reader, given, refuse_unknown
from mockserver.streams.patterns import NAME, SYMBOLS, captures
from mockserver.stub_files import StubFileError

WHENS: Final = frozenset({"known", "unknown", "all", "one"})
SETS: Final = frozenset({"known", "unknown", "new", "held"})
OF_A_SYMBOL: Final = frozenset(
    {"symbol", "symbol_upper", "price", "price_text", "first", "change", "high", "low", "volume"}
    | {"first_text", "high_text", "low_text", "volume_text", "bid", "bid_text", "ask", "ask_text"}
)
VALUES: Final = OF_A_SYMBOL | {"now_s", "now_ms", "now_ns", "now_iso", "count"}
EACH: Final = "$each"
_LONGEST_MS: Final = 86_400_000
_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Out:
    """A frame to send, in seconds after its cue."""

    frame: Json
    after: float = 0.0
    every: float | None = None
    each: str | None = None
    while_held: bool = False
    close: int | None = None
    tells_prices: bool = False


@dataclass(slots=True)
class Cue:
    """A frame to wait for, and what follows it."""

    pattern: Json
    when: str | None = None
    needs: str | None = None
    sets: str | None = None
    holds: bool = False
    drops: bool = False
    outs: list[Out] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is answered with a status instead."""

    status: int
    query: Json = None
    unless: Json = None


@dataclass(frozen=True, slots=True)
class Rest:
    """An answer over plain HTTP."""

    path: str
    query: Json
    frame: Json
    status: int
    when: str | None


@dataclass(slots=True)
class Tape:
    """What one provider says. `limit` is what one connection too many hears; None: a status 429."""

    provider: str
    prices: dict[str, float] = field(default_factory=dict)
    opening: list[Out] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    limit: list[Out] | None = None


def fits(when: str | None, symbols: int, known: int) -> bool:
    """Whether a line is for a frame with so many `symbols`, of which so many are `known`."""
    match when:
        case "known":
            return known > 0
        case "unknown":
            return known == 0
        case "all":
            return known == symbols
        case "one":
            return known == symbols == 1
        case _:
            return True


def load_tapes(directory: Path) -> dict[str, Tape]:
    """The tapes of each provider: all files in its folder, in the order of their names.

    Raises `StubFileError` with file and line for what is wrong.
    """
    if not directory.is_dir():
        raise StubFileError(f"{directory}: there is no such directory")
    return {
        folder.name: _load(folder)
        for folder in sorted(directory.iterdir())
        if folder.is_dir() and any(folder.glob(f"*{_SUFFIX}"))
    }


def _load(folder: Path) -> Tape:
    tape = Tape(folder.name)
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        reading = _Reading(tape)
        for number, line in _lines(path):
            try:
                reading.take(line)
            except FieldError as error:
                raise StubFileError(f"{path}:{number}: {error}") from error
    if not tape.prices:
        raise StubFileError(f"{folder}: no line has the dir 'market', so there are no symbols")
    return tape


def _lines(path: Path) -> Iterator[tuple[int, Json]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise StubFileError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, read_json(line)
        except NotJson as error:
            raise StubFileError(f"{path}:{number}:{error.column}: {error.problem}") from error


class _Reading:
    """Puts the lines of a file into a tape; `outs` is where the next ``out`` belongs."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._outs = tape.opening
        self._captured: frozenset[str] = frozenset()

    def take(self, line: Json) -> None:
        notices: list[Notice] = []
        root = Reader(line, (), notices)
        members = root.object()
        kinds: dict[str, tuple[Callable[[dict[str, Reader]], None], str]] = {
            "market": (self._market, "prices"),
            "out": (self._out, "at frame every each while close"),
            "in": (self._in, "frame at holds drops when sets needs"),
            "refuse": (self._refuse, "status query unless"),
            "limit": (self._limit, ""),
            "rest": (self._rest, "path query frame status when"),
        }
        kind = members["dir"].text() if "dir" in members else ""
        if kind not in kinds:
            raise root.fail(f"dir is {kind!r}, none of {', '.join(kinds)}")
        take, known = kinds[kind]
        refuse_unknown(members, frozenset({"dir", *known.split()}))
        if notices:
            raise FieldError(notices[0].pointer, notices[0].problem)
        take(members)

    def _market(self, members: dict[str, Reader]) -> None:
        for name, field_ in _needed(members, "prices").object().items():
            if name != name.upper():
                raise field_.fail("symbols are written with capital letters here")
            self._tape.prices[name] = field_.number(1e-9, 1e12)

    def _out(self, members: dict[str, Reader]) -> None:
        frame, each = given(members, "frame"), _one_of(members, "each", SETS)
        value = None if frame is None else frame.value
        if frame is not None:
            _check_names(frame, self._captured)
        every, close = given(members, "every"), given(members, "close")
        self._outs.append(
            Out(
                value,
                members["at"].whole(0, _LONGEST_MS) / 1000 if "at" in members else 0.0,
                None if every is None else every.whole(1, _LONGEST_MS) / 1000,
                each,
                _one_of(members, "while", frozenset({"held"})) is not None,
                None if close is None else close.whole(1000, 4999),
                not captures_of(value).isdisjoint({"price", "price_text"}),
            )
        )

    def _in(self, members: dict[str, Reader]) -> None:
        pattern = _needed(members, "frame").value
        cue = Cue(
            pattern,
            _one_of(members, "when", WHENS),
            members["needs"].text() if "needs" in members else None,
            members["sets"].text() if "sets" in members else None,
            "holds" in members and members["holds"].flag(),
            "drops" in members and members["drops"].flag(),
        )
        self._captured = captures(pattern) - {SYMBOLS}
        self._outs = cue.outs
        self._tape.cues.append(cue)

    def _refuse(self, members: dict[str, Reader]) -> None:
        query, unless = given(members, "query"), given(members, "unless")
        self._tape.refusals.append(
            Refusal(
                _needed(members, "status").whole(400, 599),
                None if query is None else query.value,
                None if unless is None else unless.value,
            )
        )

    def _limit(self, _members: dict[str, Reader]) -> None:
        self._tape.limit = self._outs = []
        self._captured = frozenset()

    def _rest(self, members: dict[str, Reader]) -> None:
        query = given(members, "query")
        pattern: Json = {} if query is None else query.value
        frame = _needed(members, "frame")
        _check_names(frame, captures(pattern) - {SYMBOLS})
        self._tape.rests.append(
            Rest(
                _needed(members, "path").text(),
                pattern,
                frame.value,
                members["status"].whole(200, 599) if "status" in members else 200,
                _one_of(members, "when", WHENS),
            )
        )


def captures_of(frame: Json) -> frozenset[str]:
    """The names that stand in a frame, in the names of its members too."""
    if isinstance(frame, dict):
        inner = frozenset().union(*map(captures_of, frame.values()))
        return inner.union(*(NAME.findall(name) for name in frame if name != EACH))
    return captures(frame) if not isinstance(frame, list) else frozenset().union(
        *map(captures_of, frame)
    )  # fmt: skip


def _check_names(frame: Reader, captured: frozenset[str]) -> None:
    unknown = captures_of(frame.value) - VALUES - SETS - captured
    if unknown:
        there = ", ".join(sorted(VALUES | captured))
        raise frame.fail(f"${min(unknown)} is no value; there are {there}")


def _needed(members: dict[str, Reader], name: str) -> Reader:
    if name not in members:
        raise FieldError((), f"{name} is missing")
    return members[name]


def _one_of(members: dict[str, Reader], name: str, allowed: frozenset[str]) -> str | None:
    one = given(members, name)
    if one is None:
        return None
    if one.value not in allowed:
        raise one.fail(f"{one.value!r} is none of {', '.join(sorted(allowed))}")
    return one.text()
