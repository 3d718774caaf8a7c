"""Lines of webhooks that fail: until when they rest, and who tries them, for all nodes."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the table; a line that fails now gets its row with its next failure."""
    op.execute(
        """
        CREATE TABLE webhook_lines (
            owner text NOT NULL,
            receiver text NOT NULL,
            failures int NOT NULL CHECK (failures > 0),
            rests_until timestamptz NOT NULL,
            tried_by text,
            tried_until timestamptz NOT NULL DEFAULT '-infinity',
            PRIMARY KEY (owner, receiver)
        )
        """
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE webhook_lines")
