"""Rules of price alerts, what they fired, and the webhooks to be called."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE TABLE alert_rules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    revision int NOT NULL DEFAULT 1,
    symbol text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('above', 'below', 'move')),
    threshold float8 NOT NULL,
    "window" int,
    hysteresis float8 NOT NULL,
    webhook text,
    armed boolean,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CHECK ((kind = 'move') = ("window" IS NOT NULL))
);

CREATE INDEX alert_rules_owner ON alert_rules (owner) WHERE deleted_at IS NULL;

CREATE INDEX alert_rules_changed ON alert_rules (changed_at);

CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id bigint NOT NULL REFERENCES alert_rules,
    owner text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL,
    threshold float8 NOT NULL,
    "window" int,
    price float8 NOT NULL,
    reference float8,
    quoted_at timestamptz NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    fired_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (rule_id, epoch, seq)
);

CREATE INDEX alerts_owner ON alerts (owner, id);

CREATE TABLE alert_readers (
    owner text PRIMARY KEY,
    read_until timestamptz NOT NULL
);

CREATE TABLE webhook_deliveries (
    alert_id bigint PRIMARY KEY REFERENCES alerts,
    owner text NOT NULL,
    url text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts int NOT NULL DEFAULT 0,
    reason text,
    ended_at timestamptz
);

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (owner, alert_id)
    WHERE state = 'pending'
"""


def upgrade() -> None:
    """Make the tables; a price that crossed a rule is one row, however often it is stored."""
    for statement in _TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and all rules and alerts."""
    op.execute("DROP TABLE webhook_deliveries, alert_readers, alerts, alert_rules")
