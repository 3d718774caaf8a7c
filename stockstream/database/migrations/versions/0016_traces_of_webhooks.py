"""Which trace a call of a webhook belongs to."""

from alembic import op

revision = "0016"
down_revision = "0015"
usable_from = "0015"


def upgrade() -> None:
    """Add it, in no time: most calls are in none."""
    op.execute("ALTER TABLE webhook_deliveries ADD COLUMN traceparent text")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN traceparent")
