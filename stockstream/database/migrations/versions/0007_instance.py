"""The id of this StockStream, which the names of its cookies hold."""

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLE = """
CREATE TABLE instance (
    id text NOT NULL CHECK (id ~ '^[0-9a-f]{12}$'),
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
)
"""


def upgrade() -> None:
    """Make the table; the first node that asks puts its row in."""
    op.execute(_TABLE)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE instance")
