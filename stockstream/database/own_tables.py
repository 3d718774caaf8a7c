"""Which tables are ours, and in which schema: others may keep theirs in the same database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from stockstream.database.query import Connection

OWN_TABLES = (
    "alembic_version",
    "ticks",
    "candles",
    "batches",
    "rollups_due",
    "thinned",
    "watchlists",
    "list_shares",
    "audit",
    "alert_rules",
    "alerts",
    "alert_readers",
    "webhook_deliveries",
    "webhook_lines",
    "instance",
    "user_accounts",
    "user_sessions",
    "user_tokens",
    "user_tickets",
    "operator_audit",
    "jobs",
    "mail_addresses",
    "mail_refusals",
    "mail_deliveries",
    "node_figures",
    "node_runs",
)
"""All tables that any version of the schema has made, without partitions."""

_SCHEMAS = """
SELECT DISTINCT nspname FROM unnest($1::text[]) AS own (name)
JOIN pg_class c ON c.oid = to_regclass(own.name) JOIN pg_namespace n ON n.oid = relnamespace
ORDER BY 1
"""


def is_own(table: str) -> bool:
    """Whether a table, or a partition of one, is ours by its name."""
    return table in OWN_TABLES or table.startswith(("ticks_", "candles_"))


@dataclass(frozen=True, slots=True)
class FindSchemas(Query[list[str]]):
    """The schemas of our tables: one, unless somebody has changed `search_path`."""

    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> list[str]:
        """Ask."""
        rows = await connection.fetch(_SCHEMAS, list(OWN_TABLES))
        return [row[0] for row in rows]
