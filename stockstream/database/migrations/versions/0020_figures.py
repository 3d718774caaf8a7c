"""Figures of nodes by the minute, and when their runs began. Older nodes leave them alone."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
usable_from = "0017"


def upgrade() -> None:
    """Make the tables: 10,080 rows of some 300 bytes for each node."""
    op.execute("""
        CREATE TABLE node_figures (
            node text NOT NULL,
            at timestamptz NOT NULL,
            figures jsonb NOT NULL,
            PRIMARY KEY (node, at)
        )
    """)
    op.execute("CREATE INDEX node_figures_at ON node_figures (at)")
    op.execute("""
        CREATE TABLE node_runs (
            node text NOT NULL,
            started timestamptz NOT NULL,
            before_ended timestamptz,
            before_how text,
            PRIMARY KEY (node, started)
        )
    """)


def downgrade() -> None:
    """Drop them; the history of figures is lost."""
    op.execute("DROP TABLE node_runs, node_figures")
