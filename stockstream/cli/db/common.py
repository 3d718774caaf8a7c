"""What the `db` commands share: the database for the time of one, progress, times, JSON."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn

from stockstream import logs
from stockstream.cli.printing import print_document
from stockstream.database import visit
from stockstream.database.gateway import MAINTENANCE_SECONDS
from stockstream.database.query import DatabaseError, ask
from stockstream.environment import load
from stockstream.errors import StartError, UsageError
from stockstream.times import to_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import TextIO

    from stockstream.config import Settings
    from stockstream.database.query import Query
    from stockstream.database.servers import Server
    from supervision import ActorRef

R = TypeVar("R")

SCHEMA_VERSION = 1
"""Of the JSON that the commands print."""
WAIT_SECONDS = MAINTENANCE_SECONDS + 10

Json = Annotated[bool, Parameter(name="--json", negative=())]
Yes = Annotated[bool, Parameter(name="--yes", negative=())]


@dataclass(frozen=True, slots=True)
class Visit:
    """A connected database."""

    database: ActorRef
    server: Server
    settings: Settings

    async def ask(self, query: Query[R]) -> R:
        """Ask, with the patience of somebody who watches.

        Raises:
            DatabaseError: there is no answer.
        """
        return await ask(self.database, query, timeout=WAIT_SECONDS)


@asynccontextmanager
async def visiting(*, migrate: bool = True, replica: bool = False) -> AsyncIterator[Visit]:
    """The database that the settings name, or its replica, for the time of a `with`.

    A replica, which must be set, takes no writes: its schema is the primary's.

    Raises:
        StartError: it cannot be reached, or does not answer; the text names the setting.
    """
    settings = load().settings
    logs.configure("error", settings.log_format)
    named = settings.database_read_url if replica else settings.database_url
    url = None if named is None else named.get_secret_value()
    setting = "DATABASE_READ_URL" if replica else "DATABASE_URL"
    migrate = migrate and not replica
    try:
        async with visit.visiting(
            url, settings.data_directory, migrate=migrate, setting=setting
        ) as (database, server):
            yield Visit(database, server, settings)
    except DatabaseError as error:
        raise StartError(str(error)) from error


def progress(*columns: ProgressColumn) -> Progress:
    """A bar on standard error, where that is a terminal; it leaves nothing behind."""
    return Progress(
        "{task.description}",
        BarColumn(),
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def moment(option: str, text: str) -> int:
    """A time as ms since 1970; in UTC unless it has a zone.

    Raises:
        UsageError: it is none.
    """
    try:
        parsed = datetime.fromisoformat(text)
        return to_ms(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: {text!r} is no time, such as 2026-11-22T10:00") from None


def print_json(document: dict[str, object], out: TextIO | None = None) -> None:
    """Print a result for programs, to standard output as a rule."""
    print_document({"schema_version": SCHEMA_VERSION, **document}, out)
