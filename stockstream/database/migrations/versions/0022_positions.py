"""Positions of watchlists: what somebody holds of a symbol. Older nodes leave them alone."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
usable_from = "0017"


def upgrade() -> None:
    """Add them, in no time: lists have none yet. A number of jsonb is a NUMERIC: exact."""
    op.execute("ALTER TABLE watchlists ADD COLUMN positions jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    """Drop them; the lists keep all else."""
    op.execute("ALTER TABLE watchlists DROP COLUMN positions")
