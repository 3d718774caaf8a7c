"""Indexes to find what is too old: alerts, audit entries, deleted rows."""

from alembic import op

revision = "0004"
down_revision = "0003"

_INDEXES = """
CREATE INDEX alerts_fired ON alerts (fired_at);

CREATE INDEX audit_at ON audit (at);

CREATE INDEX alert_rules_deleted ON alert_rules (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE INDEX watchlists_deleted ON watchlists (deleted_at) WHERE deleted_at IS NOT NULL
"""


def upgrade() -> None:
    """Make them: a look that finds nothing must cost nothing."""
    for statement in _INDEXES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX alerts_fired, audit_at, alert_rules_deleted, watchlists_deleted")
