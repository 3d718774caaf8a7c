"""Where `stockstream db export` reads: from the replica where there is one, else from the primary.

The command waits until the replica has all that the primary had when the command began, so an
export from either holds the same.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

import trio

from stockstream.cli.db.common import Visit, visiting
from stockstream.database.pool import UNTOLD
from stockstream.database.query import DatabaseError
from stockstream.database.replication import FetchWalPosition
from stockstream.environment import load
from stockstream.errors import StartError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.database.query import Query

R = TypeVar("R")

Choice = Literal["auto", "replica", "primary"]

CATCH_UP_SECONDS = 5.0
"""A replica that streams is behind by a fraction of a second."""
POLL_SECONDS = 0.05


class Source:
    """Asks one server, and the primary when the replica fails on the way and may be replaced."""

    def __init__(self, visit: Visit, name: str, primary: Visit | None = None) -> None:
        self._visit = visit
        self._primary = primary
        self.name = name
        """`replica` or `primary`: who answered last."""

    async def ask(self, query: Query[R]) -> R:
        """Ask.

        Raises:
            DatabaseError: there is no answer.
        """
        try:
            return await self._visit.ask(query)
        except DatabaseError as error:
            if self._primary is None:
                raise
            _say(f"DATABASE_READ_URL: {error}; going on with the primary")
        self._visit, self._primary, self.name = self._primary, None, "primary"
        return await self._visit.ask(query)


@asynccontextmanager
async def reading(choice: Choice) -> AsyncIterator[Source]:
    """The server to read from, for the time of a `with`.

    `auto` says so on standard error where a replica is named and not read from.

    Raises:
        UsageError: the replica is chosen, and none is named.
        StartError: it cannot be reached, or does not answer; the text names the setting.
    """
    named = load().settings.database_read_url is not None
    if choice == "replica" and not named:
        raise UsageError("--read-from: DATABASE_READ_URL names no replica")
    async with AsyncExitStack() as stack:
        if choice == "primary" or not named:
            yield Source(await stack.enter_async_context(visiting()), "primary")
            return
        primary = await _reached(stack, replica=False)
        replica = await _reached(stack, replica=True)
        yield await _chosen(choice, primary, replica)


async def _reached(stack: AsyncExitStack, *, replica: bool) -> Visit | StartError:
    """A connected server, or why there is none."""
    try:
        return await stack.enter_async_context(visiting(replica=replica))
    except StartError as error:
        return error


async def _chosen(
    choice: Choice, primary: Visit | StartError, replica: Visit | StartError
) -> Source:
    if isinstance(replica, StartError):
        if choice == "replica":
            raise replica
        if isinstance(primary, StartError):
            raise StartError(f"{replica}; {primary}")
        _say(f"{replica}; reading from the primary")
        return Source(primary, "primary")
    if isinstance(primary, StartError):
        _say(f"{primary}; reading from the replica, which may be behind")
        return Source(replica, "replica")
    behind = await _behind(primary, replica)
    if behind is None:
        return Source(replica, "replica", primary if choice == "auto" else None)
    if choice == "replica":
        _say(f"DATABASE_READ_URL: {behind}; reading from it all the same")
        return Source(replica, "replica")
    _say(f"DATABASE_READ_URL: {behind}; reading from the primary")
    return Source(primary, "primary")


async def _behind(primary: Visit, replica: Visit) -> str | None:
    """What a replica lacks of what the primary has now, after some waiting; None for nothing."""
    wanted = (await primary.ask(FetchWalPosition())).bytes
    give_up = trio.current_time() + CATCH_UP_SECONDS
    while True:
        there = await replica.ask(FetchWalPosition())
        if not there.is_replica or there.bytes is None or wanted is None:
            return UNTOLD
        if there.bytes >= wanted:
            return None
        if trio.current_time() > give_up:
            lack = (wanted - there.bytes) / 1e6
            return f"the replica is {lack:,.2f} MB behind after {CATCH_UP_SECONDS:g} s"
        await trio.sleep(POLL_SECONDS)


def _say(text: str) -> None:
    sys.stderr.write(f"stockstream: {text}\n")
