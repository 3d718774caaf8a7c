"""Links that give a copy of a list to whoever opens them; of their tokens only hashes are kept."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
usable_from = "0017"

_TABLE = """
CREATE TABLE list_shares (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    watchlist_id bigint NOT NULL REFERENCES watchlists (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE INDEX list_shares_owner ON list_shares (owner);
CREATE INDEX list_shares_watchlist ON list_shares (watchlist_id)
"""


def upgrade() -> None:
    """Make the table."""
    for statement in _TABLE.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop it: no link leads anywhere any more."""
    op.execute("DROP TABLE list_shares")
