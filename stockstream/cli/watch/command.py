"""The command: what was asked for, its two outputs, and its end."""

from __future__ import annotations

import math
import os
import random
import signal
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter, validators
from rich.console import Console

from stockstream.cli.admin_client import server_url, token_of
from stockstream.cli.quantities import positive_duration
from stockstream.cli.watch.client import Client
from stockstream.cli.watch.lines import Lines, error_line
from stockstream.cli.watch.nodes import Itinerary, parse_address
from stockstream.cli.watch.output import Writer, keep_writing
from stockstream.cli.watch.printable import printable
from stockstream.cli.watch.screen import ENTER, LEAVE, Screen
from stockstream.cli.watch.standing import FEED_HEARTBEAT_MS
from stockstream.cli.watch.watching import Watching
from stockstream.delivery.protocol import EVERYTHING
from stockstream.errors import StartError, UsageError
from stockstream.quotes import InvalidSymbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stockstream.cli.watch.output import Output

FRAME_SECONDS = 0.25
"""A terminal is drawn anew at most so often."""
LAST_WORDS_SECONDS = 1.0
INTERRUPTED = 130


async def watch(
    *symbols: str,
    url: Annotated[list[str] | None, Parameter(negative=())] = None,
    token: str | None = None,
    every: Annotated[bool, Parameter(name="--all", negative=())] = False,
    max_rate: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    seconds: Annotated[str | None, Parameter(name="--for")] = None,
    count: Annotated[int | None, Parameter(validator=validators.Number(gt=0))] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Watch live prices: a table in a terminal, lines in a pipe.

    Each row has a price, its change and how old it is; above them stand the truths of the
    connection, the feed and the circuit breaker. When the server goes, the next one is asked, and
    no older price is shown after a newer one. Exit codes: 0 done, 1 failed or the reader left, 2
    usage, 130 interrupted.

    For example:

    - `stockstream watch AAPL MSFT` shows two symbols until Ctrl+C.
    - `stockstream watch --all --for 10s` shows all there are, for ten seconds.
    - `stockstream watch AAPL --json --count 1 | jq '.price // empty'` takes one price.
    - `stockstream watch AAPL --url https://a.example --url https://b.example` has two servers.

    Parameters
    ----------
    symbols
        What to watch, as AAPL or NASDAQ:AAPL.
    url
        Address of a server, also below a path; several times for several that share their
        prices. Else STOCKSTREAM_URL, else port PORT on this machine.
    token
        An API token with the scope prices:read, where the server takes a login. Else
        STOCKSTREAM_TOKEN, which keeps it out of the list of processes.
    every
        Watch all symbols there are.
    max_rate
        The most messages with prices that the server may send in a second.
    seconds
        End after this time, as 10, 90s or 5m, with exit code 0.
    count
        End after so many prices, with exit code 0.
    as_json
        Print an object a line: `price`, `status`, `refused`, `notice`, and `error` at a failure.
    """
    writer = Writer(sys.stdout.fileno(), sys.stdout.encoding)
    try:
        watching = _wanted(symbols, every=every, max_rate=max_rate)
        shown = token or token_of("STOCKSTREAM_TOKEN") or ""
        named = [parse_address(text, shown) for text in url or [server_url(None)]]
        itinerary = Itinerary(named, random.random)
        client = Client(watching, itinerary, max_rate=max_rate)
        console = Console(highlight=False)
        limit = math.inf if seconds is None else positive_duration(seconds, "--for")
        # Not rich's word for it: FORCE_COLOR makes that say yes to a pipe.
        if as_json or not sys.stdout.isatty() or console.is_dumb_terminal:
            lines = Lines(watching, count=count, as_json=as_json)
            return await _in_lines(client, lines, writer, limit)
        return await _on_screen(client, Screen(watching, console, count=count), writer, limit)
    except StartError as error:
        if not as_json:
            raise
        writer.write_now(error_line(str(error), error.exit_code))
        return error.exit_code


def _wanted(symbols: tuple[str, ...], *, every: bool, max_rate: float | None) -> Watching:
    """What is watched. A text that is no symbol is refused here, in the server's words.

    Raises:
        UsageError: nothing is, or the rate is none.
    """
    if max_rate is not None and not math.isfinite(max_rate):
        raise UsageError(f"--max-rate: {max_rate} is no rate")
    told_every = FEED_HEARTBEAT_MS if max_rate is None else max(FEED_HEARTBEAT_MS, 1000 / max_rate)
    if every or EVERYTHING in symbols:
        return Watching((), everything=True, told_every=told_every)
    good: dict[str, None] = {}
    bad: list[InvalidSymbol] = []
    for text in symbols:
        try:
            good[parse_symbol(text)] = None
        except InvalidSymbol as error:
            bad.append(error)
    if not good:
        why = "; ".join(f"{error.given!r}: {error.reason}" for error in bad)
        raise UsageError(why or "name the symbols to watch, as AAPL MSFT, or all with --all")
    watching = Watching(tuple(good), told_every=told_every)
    for invalid in bad:
        watching.refuse(printable(invalid.given), invalid.code, invalid.reason)
    return watching


async def _in_lines(client: Client, lines: Lines, writer: Writer, limit: float) -> int:
    """Write lines until the end; what was known then is written too."""
    try:
        return await _first_to_end(
            partial(_follow, client, limit),
            partial(_write, client, lines, writer, 0.0),
            _interrupted,
        )
    except StartError:
        with trio.move_on_after(LAST_WORDS_SECONDS, shield=True):
            await writer.write(lines.next(trio.current_time() * 1000))
        await writer.settle(LAST_WORDS_SECONDS)
        raise


async def _on_screen(client: Client, screen: Screen, writer: Writer, limit: float) -> int:
    """Draw the terminal's other screen until the end; the last state of it stays behind."""
    async with _other_screen(screen, writer):
        return await _first_to_end(
            partial(_follow, client, limit),
            partial(_write, client, screen, writer, FRAME_SECONDS),
            _interrupted,
            partial(_suspended, writer),
        )


async def _follow(client: Client, limit: float) -> int:
    with trio.move_on_after(limit):
        await client.run()
    if not client.was_open:
        raise StartError(f"no server answered within {limit:g} s: {client.watching.url}")
    return 0


async def _write(client: Client, output: Output, writer: Writer, least_seconds: float) -> int:
    await keep_writing(client, output, writer, least_seconds=least_seconds)
    return 0


async def _interrupted() -> int:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            break
    return INTERRUPTED


async def _suspended(writer: Writer) -> int:
    """Give the terminal back while the shell has it (Ctrl+Z), and take it again after."""
    with trio.open_signal_receiver(signal.SIGTSTP) as signals:
        async for _ in signals:
            async with writer.turn():  # no frame is drawn on the shell's own screen
                writer.write_now(LEAVE)
                os.kill(os.getpid(), signal.SIGSTOP)
                writer.write_now(ENTER)
    return 0


@asynccontextmanager
async def _other_screen(screen: Screen, writer: Writer) -> AsyncIterator[None]:
    writer.write_now(ENTER)
    try:
        yield
    finally:
        await writer.settle(LAST_WORDS_SECONDS)
        # The terminal may be gone, with everything that could be written to it.
        with suppress(OSError):
            writer.write_now(LEAVE + screen.last(trio.current_time() * 1000))


async def _first_to_end(*tasks: Callable[[], Awaitable[int]]) -> int:
    """Run all until one of them ends; its exit code, or its error."""
    ended: list[int | StartError | OSError] = []

    async def run(task: Callable[[], Awaitable[int]], scope: trio.CancelScope) -> None:
        try:
            ended.append(await task())
        except (StartError, OSError) as error:
            ended.append(error)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(run, task, nursery.cancel_scope)
    first = ended[0]
    if isinstance(first, int):
        return first
    raise first
