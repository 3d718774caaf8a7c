"""The last lines of the log, kept in memory for operators: secrets are masked before they come.

A line is kept when it is written, whoever writes it, from any thread. Everything is bounded.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

KEPT_LINES = 3_000
LONGEST_TEXT = 500
LONGEST_TRACE = 4_000
MOST_FIELDS = 24
_OWN = frozenset({"event", "level", "logger", "timestamp", "correlation_id", "exception"})
_LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
_LEVELS["critical"] = logging.CRITICAL


class KeptLine(msgspec.Struct, frozen=True):
    """A line; `at` in ms since 1970. `number` rises by one with each."""

    number: int
    at: int
    level: str
    part: str
    event: str
    correlation_id: str | None
    fields: dict[str, str]
    trace: str | None = None


class KeptLines:
    """See the module. It is a processor of structlog, to be used once secrets are masked."""

    def __init__(self, clock: Callable[[], int] = now_ms, most: int = KEPT_LINES) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._lines: deque[KeptLine] = deque(maxlen=most)

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        """Keep a line, and hand it on as it is."""
        fields = {
            name: _short(value, LONGEST_TEXT)
            for name, value in itertools.islice(event_dict.items(), MOST_FIELDS)
            if name not in _OWN and not name.startswith("_")
        }
        correlation, trace = event_dict.get("correlation_id"), event_dict.get("exception")
        self._lines.append(
            KeptLine(
                next(self._numbers),
                self._clock(),
                str(event_dict.get("level", "")),
                str(event_dict.get("logger", "")),
                _short(event_dict.get("event", ""), LONGEST_TEXT),
                None if correlation is None else _short(correlation, LONGEST_TEXT),
                fields,
                None if trace is None else str(trace)[-LONGEST_TRACE:],
            )
        )
        return event_dict

    def __len__(self) -> int:
        return len(self._lines)

    def find(
        self,
        limit: int,
        *,
        correlation: str = "",
        least: str = "debug",
        part: str = "",
        search: str = "",
    ) -> list[KeptLine]:
        """The newest of those that fit, the newest first.

        Of a `correlation` id, or of all that begin with it up to a hyphen: a session's. `least` is
        the lowest severity, `part` the begin of the logger's name; `search` stands in any text.
        """
        lowest, search = _LEVELS.get(least, 0), search.casefold()
        fitting = (
            line
            for line in list(self._lines)[::-1]
            if _LEVELS.get(line.level, logging.CRITICAL) >= lowest
            and line.part.startswith(part)
            and (not correlation or _of(line.correlation_id, correlation))
            and (not search or _holds(line, search))
        )
        return list(itertools.islice(fitting, limit))


def _of(there: str | None, wanted: str) -> bool:
    return there is not None and (there == wanted or there.startswith(f"{wanted}-"))


def _holds(line: KeptLine, search: str) -> bool:
    texts = (line.event, line.part, line.correlation_id or "", line.trace or "")
    return any(search in text.casefold() for text in (*texts, *line.fields.values()))


def _short(value: object, longest: int) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


LINES = KeptLines()
"""Of this process, as logging is."""
