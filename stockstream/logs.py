"""Logging: structlog and the standard library's loggers, through one renderer, to standard error.

Only structlog's synchronous methods are used (`info`, not `ainfo`: those need asyncio).
Every line has the correlation id of its request, in every actor: a message carries that of its
sender (`supervision.correlation_id`).
"""

import logging
import os
import re
import sys
import zlib
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stockstream.kept_lines import LINES
from stockstream.spans import Traced
from supervision import correlation_id

_SECRET_NAME = re.compile(r"(?i)(^|_)(password|secret|token|authorization|cookie|api_?key)")
_SECRET_IN_TEXT = re.compile(
    r"(?i)(?:(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password@ of a URL
    r"|(?<=bearer )[\w.~+/=-]+"
    r"|(?<=[?&])([\w.-]*(?:password|secret|token|key|auth|sig|signature|app_?id)=)[^&\s\"']+)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MASK = "********"

_NODE_COLOURS = (36, 33, 35, 32, 34)
"""Cyan, yellow, magenta, green, blue: red is for errors."""

_QUIET = ("httpx", "httpcore", "hypercorn.access", "trio-websocket")
"""Loggers that write a line per request or frame: only their warnings are of use here."""


def configure(
    level: str = "info",
    style: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
    node: str | None = None,
) -> None:
    """Send every log line of the process to `stream`, by default standard error.

    With `node`, each line names it: there are others whose lines stand between.

    `level` is a name of the standard library's. Colour is used only where `stream` is a terminal
    and NO_COLOR is not set. May be called again; the last call counts.
    """
    output = sys.stderr if stream is None else stream
    colours = _colours(output)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_correlation_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    formatter: logging.Formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if node is None or style == "console" else [_NodeField(node)]),
            *_renderer(style, colours=colours),
        ],
    )
    if node is not None and style == "console":
        formatter = _LinesOfNode(formatter, node, colours=colours)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _add_correlation_id(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    current = correlation_id.get()
    if current:
        event_dict.setdefault("correlation_id", str(current))
    if isinstance(current, Traced):
        event_dict.setdefault("trace_id", f"{current.trace:032x}")
        event_dict.setdefault("span_id", f"{current.span:016x}")
    return event_dict


def _colours(output: TextIO) -> bool:
    """Whether to use them: a parent whose nodes write to a pipe of its own may force them."""
    if os.environ.get("NO_COLOR"):
        return False
    return output.isatty() or bool(os.environ.get("FORCE_COLOR"))


class _NodeField:
    """A processor that says in JSON which node a line is of."""

    def __init__(self, node: str) -> None:
        self._node = node

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        event_dict["node"] = self._node
        return event_dict


class _LinesOfNode(logging.Formatter):
    """Puts the node before each line for people, those of a traceback too."""

    def __init__(self, inner: logging.Formatter, node: str, *, colours: bool) -> None:
        super().__init__()
        self._inner = inner
        colour = _NODE_COLOURS[zlib.crc32(node.encode()) % len(_NODE_COLOURS)]
        self._prefix = f"\x1b[{colour}m{node}\x1b[0m " if colours else f"{node} "

    def format(self, record: logging.LogRecord) -> str:
        """The text, with the prefix."""
        return self._prefix + self._inner.format(record).replace("\n", f"\n{self._prefix}")


def _renderer(style: Literal["console", "json"], *, colours: bool) -> list[Processor]:
    if style == "json":
        return [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            mask_secrets,
            LINES,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    return [
        structlog.processors.format_exc_info,
        mask_secrets,
        LINES,
        _escape_event,
        # Values as repr() and no rich tracebacks: a client's text cannot forge a line or send
        # escape codes to a terminal, and no local variable is printed.
        structlog.dev.ConsoleRenderer(
            colors=colours,
            repr_native_str=True,
            exception_formatter=structlog.dev.plain_traceback,
            sort_keys=False,
        ),
    ]


def mask_secrets(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Mask values whose name says secret, and passwords and tokens inside any text."""
    for name, value in event_dict.items():
        event_dict[name] = _masked(name, value)
    return event_dict


def _masked(name: str, value: object) -> object:
    if _SECRET_NAME.search(name) and value is not None:
        return _MASK
    match value:
        case str():
            return _SECRET_IN_TEXT.sub(lambda found: (found[1] or "") + _MASK, value)
        case dict():
            return {key: _masked(str(key), inner) for key, inner in value.items()}
        case list() | tuple():
            return [_masked("", inner) for inner in value]
        case _:
            return value


def _escape_event(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    event_dict["event"] = _CONTROL.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"), str(event_dict["event"])
    )
    return event_dict
