"""Alerts by mail: addresses that were asked and have confirmed, and letters that wait."""

from alembic import op

revision = "0019"
down_revision = "0018"
usable_from = "0017"

TABLES = ("mail_deliveries", "mail_refusals", "mail_addresses")


def upgrade() -> None:
    """Make the tables. A letter without an alert asks whether others may come."""
    op.execute(
        """
        CREATE TABLE mail_addresses (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            owner text NOT NULL,
            address text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            confirmed_at timestamptz,
            stopped_at timestamptz,
            deleted_at timestamptz,
            UNIQUE (owner, address)
        )
        """
    )
    op.execute("CREATE INDEX mail_addresses_by_address ON mail_addresses (lower(address))")
    op.execute(
        """
        CREATE TABLE mail_refusals (
            address text PRIMARY KEY,
            refused_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE mail_deliveries (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            address_id bigint NOT NULL REFERENCES mail_addresses ON DELETE CASCADE,
            alert_id bigint UNIQUE REFERENCES alerts ON DELETE CASCADE,
            created_at timestamptz NOT NULL DEFAULT now(),
            state text NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'delivered', 'dead')),
            attempts int NOT NULL DEFAULT 0,
            last_status int,
            reason text,
            claimed_by text,
            next_attempt_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz
        )
        """
    )
    op.execute(
        "CREATE INDEX mail_deliveries_due ON mail_deliveries (next_attempt_at) "
        "WHERE state = 'pending'"
    )
    op.execute("CREATE INDEX mail_deliveries_of ON mail_deliveries (address_id, created_at)")
    op.execute("ALTER TABLE alert_rules ADD COLUMN mail text")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE alert_rules DROP COLUMN mail")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
