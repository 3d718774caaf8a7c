"""`DATABASE_URL=... python -m stockstream.database.migrations VERSION`: move the schema there.

`head` is the newest version, `base` an empty database, `-1` one back. Prints what was done. All of
it is one transaction, and it makes no session settings, because a pooler may lend the session to
another client between two transactions.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from stockstream.database.connecting import connect_for_long
from stockstream.database.migrations import FOLDER
from stockstream.database.schema_version import told

LOCK = 0x5354_4F43_4B00
"""The advisory lock of all migrations; the transaction holds it, so it ends with a killed one."""


def move(connection: Connection, target: str) -> None:
    """Take the lock, then migrate; a process that waited finds the work done."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    if target == "head":
        command.upgrade(config, target)
    elif target.startswith("-") or target == "base":
        command.downgrade(config, target)
    else:
        now = _version(connection)
        script.get_revision(target)
        going_up = now is None or target > now
        (command.upgrade if going_up else command.downgrade)(config, target)
    _say_who_may_use_it(connection, script)


def _version(connection: Connection) -> str | None:
    found = text("SELECT to_regclass('alembic_version') IS NOT NULL")
    if not connection.execute(found).scalar_one():
        return None
    version: str | None = connection.execute(
        text("SELECT max(version_num) FROM alembic_version")
    ).scalar_one()
    return version


def _say_who_may_use_it(connection: Connection, script: ScriptDirectory) -> None:
    """A version that does not say is for who knows it."""
    version = _version(connection)
    if version is None:
        return
    usable_from = getattr(script.get_revision(version).module, "usable_from", version)
    # Utility statements take no parameters; both are four digits of ours.
    connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{told(usable_from)}'"))


async def main(url: str, target: str) -> None:
    """Connect as the rest of the program does, and move."""

    async def connect() -> asyncpg.Connection:
        return await connect_for_long(url, "stockstream migrations")

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=NullPool,
        # Unnamed statements: a name may be taken on a connection that a pooler lends.
        connect_args={
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        },
    )
    async with engine.connect() as connection:
        await connection.run_sync(move, target)
        await connection.commit()
    await engine.dispose()


if __name__ == "__main__":
    try:
        asyncio.run(main(os.environ["DATABASE_URL"], sys.argv[1]))
    except DBAPIError as failed:
        sys.exit(" ".join(str(failed.orig).split()))
    except (CommandError, OSError, asyncpg.PostgresError) as failed:
        sys.exit(" ".join(f"{type(failed).__name__}: {failed}".split()))
