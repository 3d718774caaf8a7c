"""Watchlists of browser users, and the audit of all that users change."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE watchlists (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    name text NOT NULL,
    symbols text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE UNIQUE INDEX watchlists_owner_name ON watchlists (owner, lower(name))
    WHERE deleted_at IS NULL;

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    what text NOT NULL,
    row_id bigint NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'change', 'delete', 'restore')),
    before jsonb,
    after jsonb
);

CREATE INDEX audit_row ON audit (what, row_id)
"""


def upgrade() -> None:
    """Make the tables; a name is taken only while its list is not deleted."""
    for statement in _TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and all lists."""
    op.execute("DROP TABLE watchlists, audit")
