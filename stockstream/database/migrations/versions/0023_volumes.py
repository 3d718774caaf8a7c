"""The volume of prices and candles. Older nodes record without it."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
usable_from = "0017"


def upgrade() -> None:
    """Add them, in no time: of what is recorded already they are not known."""
    op.execute("ALTER TABLE ticks ADD COLUMN volume float8")
    op.execute("ALTER TABLE candles ADD COLUMN volume float8")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE candles DROP COLUMN volume")
    op.execute("ALTER TABLE ticks DROP COLUMN volume")
