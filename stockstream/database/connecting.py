"""Opening connections to PostgreSQL, through a pooler too. Runs under asyncio.

A pooler such as PgBouncer lends a server's connection for a transaction, or for a session. Settings
of a session would stay for the next client of that connection, so none are made. A pooler is
recognised by our limits: it refuses them as start parameters, or drops them.
"""

from __future__ import annotations

import random
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg

from stockstream.database.deadlines import within
from stockstream.database.troubles import OLDEST_MAJOR, WrongVersion
from stockstream.database.url import DatabaseUrl, Endpoint, read_database_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from stockstream.database.query import Connection, Row

CONNECT_SECONDS = 5.0
"""For all servers of a URL together, unless the URL has its own limit for each."""
_KEEPALIVE_OPTIONS = {
    "keepalives_idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "keepalives_interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "keepalives_count": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "tcp_user_timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
}


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that a pooler lends; each transaction may be on another server connection."""

    statement_seconds: float

    @staticmethod
    def is_one(connection: asyncpg.Connection) -> bool:
        """Whether it is one. `isinstance` does not tell: it is true of all driver connections."""
        return type(connection) is PooledConnection


def attempt_seconds(url: str) -> float:
    """The longest that an attempt to connect may take."""
    parsed = read_database_url(url)
    given = parsed.connect_seconds
    return CONNECT_SECONDS if given is None else given * len(parsed.endpoints)


async def connect(url: str, name: str, seconds: float) -> asyncpg.Connection:
    """Open a connection whose statements end after `seconds`.

    Raises:
        WrongVersion: the server is too old.
        InvalidDatabaseUrl: the URL cannot be used.
        TimeoutError: the server does not answer.
        Exception: what the driver raises.
    """
    parsed = read_database_url(url)
    limits = {
        "statement_timeout": str(round(seconds * 1000)),
        "idle_in_transaction_session_timeout": str(round(2 * seconds * 1000)),
    }
    connection = None if parsed.is_pooled else await _bounded(parsed, name, seconds, limits)
    if connection is None:
        connection = await _open(parsed, name, seconds, None)
    version = connection.get_server_version()
    if version.major < OLDEST_MAJOR:
        connection.terminate()
        raise WrongVersion(
            f"PostgreSQL {version.major} is too old; {OLDEST_MAJOR} or newer is needed"
        )
    return connection


async def connect_for_long(url: str, name: str) -> asyncpg.Connection:
    """Open a connection for statements that may take any time, in one transaction.

    Raises:
        InvalidDatabaseUrl: the URL cannot be used.
        Exception: what the driver raises.
    """
    return await _open(read_database_url(url), name, None, None)


async def _bounded(
    url: DatabaseUrl, name: str, seconds: float, limits: dict[str, str]
) -> asyncpg.Connection | None:
    """A connection with the limits in force; None where a pooler is in front of the server."""
    try:
        connection = await _open(url, name, seconds, limits)
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" in str(error):
            return None
        raise
    in_force = False
    try:
        in_force = await within(CONNECT_SECONDS, _has(connection, limits), connection.terminate)
    finally:
        if not in_force:
            connection.terminate()
    return connection if in_force else None


async def _has(connection: asyncpg.Connection, limits: dict[str, str]) -> bool:
    """Whether the limits are in force: some poolers are told to drop what they do not know.

    In the simple protocol, and by the number of rows: a prepared statement may end up on the
    connection of somebody else.
    """
    (name, value), *_ = limits.items()
    found: str = await connection.execute(
        f"SELECT FROM pg_settings WHERE name = '{name}' AND setting = '{value}'"
    )
    return found == "SELECT 1"


async def _open(
    url: DatabaseUrl, name: str, seconds: float | None, limits: dict[str, str] | None
) -> asyncpg.Connection:
    """Try the servers in order; `limits` are None where a pooler would not take them."""
    wanted = url.parameters.get("target_session_attrs", "any")
    rounds = ("standby", "any") if wanted == "prefer-standby" else (wanted,)
    endpoints = list(url.endpoints)
    if url.parameters.get("load_balance_hosts") == "random":
        random.shuffle(endpoints)
    attempts = [(endpoint, session) for session in rounds for endpoint in endpoints]
    for number, (endpoint, session) in enumerate(attempts, 1):
        try:
            return await _open_one(url, endpoint, session, name, seconds, limits)
        # A wrong password is wrong on all servers. After refused limits we try again without them.
        except (asyncpg.InvalidPasswordError, asyncpg.ProtocolViolationError):
            raise
        except Exception:
            if number == len(attempts):
                raise
    raise AssertionError("a URL names a server")


async def _open_one(
    url: DatabaseUrl,
    endpoint: Endpoint,
    session: str,
    name: str,
    seconds: float | None,
    limits: dict[str, str] | None,
) -> asyncpg.Connection:
    given = url.parameters
    settings = {"application_name": name, "timezone": "UTC", **(limits or {})}
    if limits:
        # Overrides the default of the role or the database. Under a stricter level a transaction
        # that waited for a lock would miss the changes meanwhile, and imports would need retries.
        settings["default_transaction_isolation"] = "read committed"
    if "application_name" in given:
        settings["application_name"] = f"{given['application_name']} {name}"
    if "options" in given:
        settings["options"] = given["options"]
    limit = url.connect_seconds or CONNECT_SECONDS / len(url.endpoints)
    opening = asyncpg.connect(
        url.for_driver(),
        host=endpoint.host,
        port=endpoint.port,
        user=url.user,
        password=url.password,
        database=url.database,
        timeout=limit,
        command_timeout=seconds,
        target_session_attrs=session,
        server_settings=settings,
        ssl=_trusting_the_system() if url.trusts_the_system else None,
        # Named statements are the session's.
        statement_cache_size=100 if limits else 0,
        connection_class=asyncpg.Connection if limits else PooledConnection,
    )
    connection = await within(limit, opening, _nothing_to_cut, asyncpg.Connection.terminate)
    if PooledConnection.is_one(connection) and seconds is not None:
        connection.statement_seconds = seconds
    try:
        if not endpoint.is_socket:
            _keep_alive(connection, given)
    except OSError:
        connection.terminate()  # it was lost a moment ago
        raise
    return connection


def _nothing_to_cut() -> None:
    """Until it is made, a connection belongs to the driver, which drops it when cancelled."""


def _trusting_the_system() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    return context


def _keep_alive(connection: asyncpg.Connection, given: Mapping[str, str]) -> None:
    """Enable TCP keep-alive for a connection, as libpq does by default."""
    # The driver has no option for it, and does not do it itself.
    transport_socket = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if given.get("keepalives") != "0":
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, option in _KEEPALIVE_OPTIONS.items():
        value = int(given.get(name, "0"))
        if value:
            transport_socket.setsockopt(*option, value)


def hang_up(connection: asyncpg.Connection) -> None:
    """End the connection's socket. May be called in any thread, whether the loop hangs or not.

    The server rolls back at once. The driver notices only when it reads, so terminate it, too.
    """
    # The driver can do it in its loop only.
    transport_socket = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if transport_socket is not None:  # it is None under TLS once the connection has ended
        with suppress(OSError):  # it has ended already
            transport_socket.shutdown(socket.SHUT_RDWR)


def asked_through(connection: asyncpg.Connection) -> Connection:
    """The part of a connection that a query may use."""
    return _OfAPooler(connection) if PooledConnection.is_one(connection) else connection


class _OfAPooler:
    """Runs each statement in a transaction that has limits of its own."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection
        statement = round(connection.statement_seconds * 1000)
        # Both in one statement, to save a round trip.
        self._limits = (
            f"SET LOCAL statement_timeout = {statement}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {2 * statement}"
        )

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        if self._connection.is_in_transaction():
            yield
            return
        async with self._connection.transaction(isolation="read_committed"):
            await self._connection.execute(self._limits)
            yield

    async def fetch(self, query: str, *args: object) -> list[Row]:
        async with self._bounded():
            rows: list[Row] = await self._connection.fetch(query, *args)
            return rows

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        async with self._bounded():
            row: Row | None = await self._connection.fetchrow(query, *args)
            return row

    async def fetchval(self, query: str, *args: object) -> object:
        async with self._bounded():
            return await self._connection.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        async with self._bounded():
            status: str = await self._connection.execute(query, *args)
            return status

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: AsyncIterable[bytes],
        columns: Sequence[str],
        format: str,  # noqa: A002 - the driver's name for it
    ) -> str:
        async with self._bounded():
            status: str = await self._connection.copy_to_table(
                table_name, source=source, columns=columns, format=format
            )
            return status

    def transaction(self) -> AbstractAsyncContextManager[object]:
        if self._connection.is_in_transaction():
            inner: AbstractAsyncContextManager[object] = self._connection.transaction()
            return inner
        return self._bounded()
