"""Rules by their symbol, so that they can be counted."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX alert_rules_symbol ON alert_rules (symbol) WHERE deleted_at IS NULL")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX alert_rules_symbol")
