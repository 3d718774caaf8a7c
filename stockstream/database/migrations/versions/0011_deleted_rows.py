"""Find the rows that a user deleted, to offer them for restoring, without a look at all others."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Index them."""
    for table in ("watchlists", "alert_rules"):
        op.execute(
            f"CREATE INDEX {table}_deleted_of ON {table} (owner, deleted_at) "
            "WHERE deleted_at IS NOT NULL"
        )


def downgrade() -> None:
    """As before."""
    op.execute("DROP INDEX watchlists_deleted_of, alert_rules_deleted_of")
