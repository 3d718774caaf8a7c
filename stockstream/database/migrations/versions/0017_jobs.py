"""What runs on a schedule: its last run, and the node that has it now."""

from alembic import op

revision = "0017"
down_revision = "0016"
usable_from = "0016"


def upgrade() -> None:
    """Make the table; each job makes its row when it is first looked for."""
    op.execute(
        """
        CREATE TABLE jobs (
            name text PRIMARY KEY,
            known timestamptz NOT NULL DEFAULT clock_timestamp(),
            started timestamptz,
            ended timestamptz,
            seconds float8,
            outcome text NOT NULL DEFAULT '',
            note text NOT NULL DEFAULT '',
            node text,
            succeeded timestamptz,
            claimed_by text,
            claimed_until timestamptz NOT NULL DEFAULT '-infinity',
            runs bigint NOT NULL DEFAULT 0,
            failures bigint NOT NULL DEFAULT 0
        )
        """
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE jobs")
