"""`stockstream actions`: what an operator may do to a running server, without faults."""

from __future__ import annotations

import sys
from typing import Annotated, TypeVar

import msgspec
from cyclopts import App, Parameter

from stockstream.cli.printing import print_document
from stockstream.cli.quantities import duration
from stockstream.cli.where import HERE, Where
from stockstream.errors import UsageError
from stockstream.statuses import DrainStatus

T = TypeVar("T")

PATH = "/admin/api/actions"
SCHEMA_VERSION = 1
LONGEST_SECONDS = 30.0
"""A supervisor with all that is under it may take so long to stop and to begin anew."""
LONGEST_DRAIN_SECONDS = 3_600.0

actions = App(
    name="actions",
    help="""Do to a running server what an operator may: nothing breaks, and each is audited.

It takes the ADMIN_TOKEN, or an API token of an operator. The exit code is 0 when it was done, and \
1 when nothing came of it.

For example:

- `stockstream actions fetch api` asks the provider now, and does not wait for a breaker
- `stockstream actions reconnect` drops the connections to the database, and makes new ones
- `stockstream actions restart market/streamer` restarts an actor; it costs no restart of its budget
- `stockstream actions drain --share 30 --over 5m` has 30 % of the clients go elsewhere
""",
    help_format="markdown",
)


class _Fetched(msgspec.Struct):
    upstream: str
    ok: bool
    detail: str


class _Reconnected(msgspec.Struct):
    ok: bool
    cut: int
    connections: int
    reason: str


class _Restarted(msgspec.Struct):
    path: str
    ok: bool
    generation_before: int
    generation: int | None
    detail: str


class _Ended(msgspec.Struct):
    drain: DrainStatus | None


@actions.command
def fetch(upstream: str = "api", *, where: Where = HERE) -> int:
    """Ask a provider now, whatever its feed waits for, within what the provider allows.

    An open circuit breaker is asked to let it probe. A feed whose prices are pushed connects.

    Parameters
    ----------
    upstream
        The name of the feed, as `stockstream providers` has it.
    """
    came = where.client(seconds=LONGEST_SECONDS).change(
        "POST", f"{PATH}/fetch", _Fetched, {"upstream": upstream}
    )
    return _tell(came, f"{came.upstream}: {came.detail}", ok=came.ok, where=where)


@actions.command
def reconnect(*, where: Where = HERE) -> int:
    """Drop all connections of the server to the database, and make new ones.

    Queries under way fail; prices wait in memory meanwhile.
    """
    came = where.client(seconds=LONGEST_SECONDS).change(
        "POST", f"{PATH}/reconnect", _Reconnected, {}
    )
    there = f"{came.connections} are there" if came.ok else f"not connected: {came.reason}"
    return _tell(came, f"{came.cut} connections were cut, {there}", ok=came.ok, where=where)


@actions.command
def restart(path: str, *, reason: str = "", where: Where = HERE) -> int:
    """Restart an actor, in order, with all that is under it.

    It cleans up, its supervisor starts it again, and its budget of restarts stays what it is.
    `web` tells its clients to come back first.

    Parameters
    ----------
    path
        As `stockstream tree --json` has it, as `market/streamer`.
    reason
        For the audit.
    """
    body = {"path": path, "reason": reason}
    came = _change(where, "POST", "restart", _Restarted, body)
    now = "" if came.generation is None else f", generation {came.generation}"
    return _tell(came, f"{came.path}: {came.detail}{now}", ok=came.ok, where=where)


@actions.command
def drain(
    *,
    share: float = 100.0,
    over: str = "30s",
    end: Annotated[bool, Parameter(negative=())] = False,
    where: Where = HERE,
) -> int:
    """Have clients leave, spread over a time; `--end` stops that, and lets new ones in again.

    Each is told when to come back, and to which node where there are others, and then closed.
    With a share of 100, /health/traffic says until `--end` that new clients should go elsewhere.

    For example:

    - `stockstream drain --share 30 --over 5m` after a node was added: it gets some of the clients
    - `stockstream drain --over 1m` before a node is stopped

    Parameters
    ----------
    share
        How many of them, in percent.
    over
        As 30s, 5m or 1h: an hour at most.
    """
    if end:
        ended = _change(where, "DELETE", "drain", _Ended)
        told = "no drain was under way" if ended.drain is None else _words(ended.drain)
        return _tell(ended, told, ok=True, where=where)
    if not 0 < share <= 100:
        raise UsageError(f"--share: {share:g} is not above 0 and at most 100 percent")
    body = {"share": share, "over_seconds": _seconds(over)}
    status = where.client(seconds=LONGEST_SECONDS).change(
        "POST", f"{PATH}/drain", DrainStatus, body
    )
    return _tell(status, _words(status), ok=True, where=where)


def _change(where: Where, method: str, action: str, kind: type[T], body: object = None) -> T:
    return where.client(seconds=LONGEST_SECONDS).change(method, f"{PATH}/{action}", kind, body)


def _words(status: DrainStatus) -> str:
    text = f"{status.told} of {status.chosen} clients were told to leave"
    if status.running:
        text += f"; all of them within {status.seconds:g} s"
    return f"{text}; no new ones should come" if status.closed else text


def _seconds(text: str) -> float:
    seconds = duration(text, "--over")
    if not 0 <= seconds <= LONGEST_DRAIN_SECONDS:
        raise UsageError(f"--over: {text!r} is not between 0 and an hour")
    return seconds


def _tell(document: msgspec.Struct, text: str, *, ok: bool, where: Where) -> int:
    if where.as_json:
        fields = msgspec.to_builtins(document)
        print_document({"schema_version": SCHEMA_VERSION, **fields})
    else:
        sys.stdout.write(f"{text}\n")
    return 0 if ok else 1
