"""The cool-down of alert rules, and how many crossings an alert stands for."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add both; rules that are there get the default of new ones."""
    op.execute(
        "ALTER TABLE alert_rules ADD COLUMN cooldown int NOT NULL DEFAULT 60 CHECK (cooldown >= 0)"
    )
    op.execute("ALTER TABLE alerts ADD COLUMN crossings int NOT NULL DEFAULT 1")


def downgrade() -> None:
    """Drop both."""
    op.execute("ALTER TABLE alerts DROP COLUMN crossings")
    op.execute("ALTER TABLE alert_rules DROP COLUMN cooldown")
