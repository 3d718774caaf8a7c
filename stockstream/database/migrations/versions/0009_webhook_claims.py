"""Calls of webhooks: when each is due, who has claimed it, and what its last try came to."""

from alembic import op

revision = "0009"
down_revision = "0008"

# The receiver is the host and port of the address. The index leads from one owner's receiver to
# the next, and to what is due first in each.
_CHANGES = r"""
ALTER TABLE webhook_deliveries
    ADD COLUMN receiver text NOT NULL
        GENERATED ALWAYS AS (lower(substring(url FROM '^[A-Za-z]+://([^/?#]*)'))) STORED,
    ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN claimed_by text,
    ADD COLUMN last_status int;

DROP INDEX webhook_deliveries_pending;

CREATE INDEX webhook_deliveries_line ON webhook_deliveries (owner, receiver, next_attempt_at)
    WHERE state = 'pending';

CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (claimed_by)
    WHERE claimed_by IS NOT NULL
"""


def upgrade() -> None:
    """Add them; what is pending is due now, and may wait as long as what comes now."""
    for statement in _CHANGES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX webhook_deliveries_claimed, webhook_deliveries_line")
    op.execute(
        "ALTER TABLE webhook_deliveries DROP COLUMN receiver, DROP COLUMN waiting_since, "
        "DROP COLUMN next_attempt_at, DROP COLUMN claimed_by, DROP COLUMN last_status"
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (owner, alert_id) "
        "WHERE state = 'pending'"
    )
