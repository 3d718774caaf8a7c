"""The currency of prices and candles, and the source of prices."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add them, in no time: of what is recorded already they are not known."""
    op.execute("ALTER TABLE ticks ADD COLUMN currency text, ADD COLUMN source text")
    op.execute("ALTER TABLE candles ADD COLUMN currency text")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE candles DROP COLUMN currency")
    op.execute("ALTER TABLE ticks DROP COLUMN currency, DROP COLUMN source")
