"""Checks of the databases: the primary, or the embedded server, and the replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.cli.doctor.findings import Finding, failed, info, ok, warning, worst_of
from stockstream.database import migrations
from stockstream.database.embedded.files import Layout, last_words, postmaster
from stockstream.database.embedded.programs import MAJOR_VERSION
from stockstream.database.troubles import STARTING, why_not_connected
from stockstream.database.url import read_database_url
from stockstream.history.inspection import ServerFacts, inspect
from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.cli.doctor.clock import Clocks
    from stockstream.database.schema_version import SchemaVersion

ASK_SECONDS = 1.8
"""Less than a check may take, so that the driver's own words are told."""
MIGRATE = "start the server, which moves it, or `stockstream db migrate`"


async def look_at_server(
    loop: AsyncioLoop, url: str, setting: str, needed: int, retained: float, clocks: Clocks
) -> Finding:
    """A server that a setting names, from which a node wants `needed` connections."""
    facts = await _facts(loop, url, setting)
    if isinstance(facts, Finding):
        return facts
    if not all(endpoint.is_socket for endpoint in read_database_url(url).endpoints):
        clocks.saw("the database", facts.ahead)
    return judge_server(facts, migrations.versions(), needed, retained, now_ms())


async def look_at_replica(loop: AsyncioLoop, url: str, setting: str, readers: int) -> Finding:
    """The server that history is read from."""
    facts = await _facts(loop, url, setting)
    return facts if isinstance(facts, Finding) else judge_replica(facts, readers)


async def look_at_embedded(
    loop: AsyncioLoop, directory: Path, needed: int, retained: float
) -> Finding:
    """The server below the data directory: asked where it runs, else its files."""
    found = await trio.to_thread.run_sync(embedded_at, directory, abandon_on_cancel=True)
    if isinstance(found, Finding):
        return found
    facts = await _facts(loop, found, "DATABASE_URL")
    if isinstance(facts, Finding):
        return facts
    return judge_server(facts, migrations.versions(), needed, retained, now_ms())


def embedded_at(directory: Path) -> str | Finding:
    """Where the running server is reached, or what its files say."""
    layout = Layout(directory.absolute())
    try:
        made_by = (layout.data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return info(f"an embedded PostgreSQL {MAJOR_VERSION} is made by the first start")
    except PermissionError:
        return info("embedded; its files belong to another user, who runs it")
    except OSError as error:
        return failed(
            f"{layout.data}: {error.strerror}", "set DATA_DIRECTORY to a directory of this machine"
        )
    if postmaster(layout) is not None and layout.url_file.exists():
        return layout.url()
    last = last_words(layout) if layout.log.exists() else None
    return judge_files(made_by, last)


def judge_files(made_by: str, last_words: str | None) -> Finding:
    """Whether a stopped embedded server will start."""
    if made_by != str(MAJOR_VERSION):
        return failed(
            f"the embedded database was made by PostgreSQL {made_by}, and {MAJOR_VERSION} is here",
            "move DATA_DIRECTORY/postgres away, or name a server by DATABASE_URL",
        )
    if last_words is not None and "PANIC" in last_words:
        return warning(
            f"the embedded server ended by itself: {last_words}", "see DATA_DIRECTORY/postgres.log"
        )
    return ok(f"embedded PostgreSQL {made_by}; it starts with the server")


async def _facts(loop: AsyncioLoop, url: str, setting: str) -> ServerFacts | Finding:
    try:
        with trio.fail_after(ASK_SECONDS):
            return await loop.run(inspect, url, ASK_SECONDS)
    except trio.TooSlowError:
        return judge_trouble(why_not_connected(TimeoutError(), url, setting))
    # The driver may raise any exception for a strange answer of a server.
    except Exception as error:  # noqa: BLE001
        return judge_trouble(why_not_connected(error, url, setting))


def judge_trouble(why: str) -> Finding:
    """What stands in the way of a connection, in words that name the setting."""
    if STARTING in why:
        return warning(why, "wait a moment, and look again")
    if "wrong user or password" in why:
        return failed(why, "correct the login in it, or the server's pg_hba.conf")
    if "there is no database" in why:
        return failed(why, "make it, by createdb, or correct the name at the end of the address")
    if "no more connections" in why:
        return failed(why, "raise its max_connections, or see who holds them: pg_stat_activity")
    if "may not do" in why:
        return failed(why, "give the user its rights: GRANT CONNECT ON DATABASE …")
    return failed(why, "start it, or correct the address; a firewall may be between, too")


def judge_server(
    facts: ServerFacts, known: list[str], needed: int, retained: float, now: int
) -> Finding:
    """Whether a node can record there."""
    findings = [
        _judge_writing(facts),
        _judge_version(facts.version, known),
        _judge_rights(facts),
        _judge_connections(facts, needed),
        _judge_age(facts.oldest_day, retained, now),
        ok(f"PostgreSQL {facts.server}, schema {facts.version.version or 'none yet'}"),
    ]
    return worst_of(findings)


def judge_replica(facts: ServerFacts, readers: int) -> Finding:
    """Whether history can be read there."""
    findings = [
        _judge_connections(facts, readers),
        ok(f"PostgreSQL {facts.server}, a replica, schema {facts.version.version or 'none yet'}"),
    ]
    if not facts.standby:
        findings.append(
            warning(
                "it is no replica: it takes writes of its own",
                "name a standby of the server in DATABASE_URL, or set none",
            )
        )
    return worst_of(findings)


def _judge_writing(facts: ServerFacts) -> Finding:
    if facts.standby:
        return failed(
            "it is a standby and takes no writes",
            "name the primary; with several hosts, add target_session_attrs=read-write",
        )
    if facts.read_only:
        return failed(
            "its sessions are read-only by default",
            "set default_transaction_read_only to off for the user or the database",
        )
    return ok("it takes writes")


def _judge_version(schema: SchemaVersion, known: list[str]) -> Finding:
    version, newest = schema.version, known[-1]
    if version is None:
        return info("it has no tables of ours yet", MIGRATE)
    if schema.is_newer(known):
        if schema.is_usable(known):
            return warning(
                f"its schema is at {version}, of a newer program, and this one may use it",
                "run the newer program again when it is mended",
            )
        return failed(
            f"its schema is at {version}, and this program knows {newest} at most",
            "run the newer program, or roll back with it",
        )
    if version != newest:
        return warning(f"its schema is at {version}, and {newest} is the newest", MIGRATE)
    return ok(f"its schema is at {version}")


def _judge_rights(facts: ServerFacts) -> Finding:
    if not facts.may_create:
        return failed(
            f"its user may make no tables in the schema {facts.schema or '(none on search_path)'}",
            f"GRANT CREATE, USAGE ON SCHEMA {facts.schema or 'public'} TO that user: each day is "
            "a new partition",
        )
    if facts.foreign:
        return failed(
            f"its user does not own {', '.join(facts.foreign[:3])}"
            + (f" and {len(facts.foreign) - 3} more" if len(facts.foreign) > 3 else ""),
            "connect as their owner, or ALTER TABLE … OWNER TO that user: partitions are dropped "
            "and schemas moved by owners only",
        )
    return ok("its user has its rights")


def _judge_connections(facts: ServerFacts, needed: int) -> Finding:
    if needed > facts.most:
        return failed(
            f"a node wants {needed} connections, and this user may have {facts.most}",
            "raise max_connections (or the limit of the user or the database), or set a smaller "
            "DATABASE_POOL_SIZE",
        )
    free = facts.most - facts.others
    if needed > free:
        return warning(
            f"a node wants {needed} connections, and others leave {free} of {facts.most}",
            "raise max_connections, or set a smaller DATABASE_POOL_SIZE",
        )
    return ok(f"{needed} of {facts.most} connections are enough")


def _judge_age(oldest_day: int | None, retained: float, now: int) -> Finding:
    if oldest_day is None:
        return ok("it has no partition of ticks yet")
    # Retention drops whole days, in its own time.
    days = now / DAY_MS - (oldest_day + 1)
    if days <= retained + 1:
        return ok("no partition is older than RETAIN_TICKS")
    return warning(
        f"its oldest ticks are of {iso_utc(oldest_day * DAY_MS)[:10]}, and RETAIN_TICKS is "
        f"{retained:g} days",
        "see why nothing is dropped: `stockstream db retention --dry-run`",
    )
