"""Sections of watchlists: which symbols are below which name. Older nodes leave them alone."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
usable_from = "0017"


def upgrade() -> None:
    """Add them, in no time: lists have none yet."""
    op.execute("ALTER TABLE watchlists ADD COLUMN sections jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    """Drop them; the lists keep their symbols, in the same order."""
    op.execute("ALTER TABLE watchlists DROP COLUMN sections")
