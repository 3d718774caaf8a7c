"""Ticks of the default partition can be deleted where changes are published to others."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Name a row by all of it: there is no key, and a publication of deletes refuses them then."""
    op.execute("ALTER TABLE ticks_default REPLICA IDENTITY FULL")


def downgrade() -> None:
    """Name it by nothing again."""
    op.execute("ALTER TABLE ticks_default REPLICA IDENTITY DEFAULT")
