"""The currency that a rule compares in; of an alert also its exchange and its source."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add them. A rule from before gets the currency of the first price that it judges."""
    op.execute("ALTER TABLE alert_rules ADD COLUMN currency text")
    op.execute(
        "ALTER TABLE alerts ADD COLUMN exchange text, ADD COLUMN currency text, "
        "ADD COLUMN source text"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE alerts DROP COLUMN exchange, DROP COLUMN currency, DROP COLUMN source")
    op.execute("ALTER TABLE alert_rules DROP COLUMN currency")
