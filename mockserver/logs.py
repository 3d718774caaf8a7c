"""Log lines on standard error, in the two forms that the server has.

The stub beside a server writes to the server's own standard error. A line of another form would
break a reader of JSON lines there.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS: Final[Sequence[str]] = ("console", "json")


def configure(style: str, level: int = logging.INFO) -> None:
    """Send all log lines to standard error, as lines for people or one JSON object per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine() if style == "json" else _Line())
    logging.basicConfig(handlers=[handler], level=level)


class _Line(logging.Formatter):
    """``2026-11-29T20:44:34.123Z [warning  ] what happened [mockserver]``."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} [{record.levelname.lower():9}] {record.getMessage()}"
        return _with_trace(self, f"{line} [{record.name}]", record)


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": _time(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{record.msecs:03.0f}Z"


def _with_trace(formatter: logging.Formatter, line: str, record: logging.LogRecord) -> str:
    return f"{line}\n{formatter.formatException(record.exc_info)}" if record.exc_info else line
