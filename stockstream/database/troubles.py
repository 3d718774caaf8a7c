"""Turns the driver's exceptions into one line that names the setting to look at."""

from __future__ import annotations

import asyncpg

from stockstream.asyncio_thread import AsyncioThreadLost, CancelledUnderAsyncio
from stockstream.database.query import DatabaseError, NoRoom, Rejected, Unavailable
from stockstream.database.url import InvalidDatabaseUrl, read_database_url

OLDEST_MAJOR = 14
STARTING = "is starting up or shutting down"
"""The only trouble that ends by itself."""

# By SQLSTATE class: what is wrong with the values of a query, and would be again.
_OF_THE_VALUES = {"21", "22", "23", "44", "54"}


class WrongVersion(Exception):
    """The server is too old."""


def why_not_connected(error: Exception, url: str, setting: str) -> str:
    """One line for the operator."""
    if isinstance(error, InvalidDatabaseUrl):
        return f"{setting}: {error}"
    parsed = read_database_url(url)
    where, user = parsed.place, parsed.user
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return f"{setting}: {where} refuses user {user!r}: wrong user or password"
        case asyncpg.InvalidCatalogNameError():
            return f"{setting}: there is no database {parsed.database!r} at {where}"
        case asyncpg.InsufficientPrivilegeError():
            return f"{setting}: user {user!r} may not do what is needed: {error}"
        case asyncpg.DiskFullError():
            return f"{setting}: the disk of the server at {where} is full"
        case WrongVersion():
            return f"{setting}: {error}"
        case asyncpg.TooManyConnectionsError():
            return f"{setting}: {where} takes no more connections"
        case asyncpg.CannotConnectNowError():
            return f"{setting}: {where} {STARTING}"
        case TimeoutError():
            return f"{setting}: {where} does not answer"
        case OSError():
            return f"{setting}: {where} cannot be reached: {error.strerror or error}"
        case _:
            return f"{setting}: {where}: {type(error).__name__}: {error}"


def why_not_answered(error: Exception, *, closed: bool) -> DatabaseError:
    """The error of a failed query for its caller; `closed` when its connection ended meanwhile."""
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said}"
    match error:
        case asyncpg.CheckViolationError() if "no partition of relation" in str(error):
            return Unavailable(text)  # it was dropped a moment ago; the next attempt makes it
        case asyncpg.DiskFullError():
            return NoRoom(f"the disk of the database server is full: {said}")
        case asyncpg.PostgresError():
            state = getattr(error, "sqlstate", None) or ""
            return Rejected(text) if state[:2] in _OF_THE_VALUES else Unavailable(text)
        case asyncpg.DataError() | UnicodeEncodeError() | OverflowError():
            return Rejected(text)  # found before it was sent
        case TimeoutError():
            return Unavailable("the database did not answer in time")
        case AsyncioThreadLost() | CancelledUnderAsyncio():
            return Unavailable(f"the driver was stopped: {text}")
        case asyncpg.InterfaceError() | asyncpg.InternalClientError() | OSError():
            return Unavailable(f"the connection was lost: {text}")
        case _ if closed:  # on a lost connection the driver raises anything, even AttributeError
            return Unavailable(f"the connection was lost: {text}")
        case _:
            return Rejected(text)
