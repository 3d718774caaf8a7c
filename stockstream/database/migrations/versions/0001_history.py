"""Ticks, candles and the ledger of batches."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE ticks (
    symbol text NOT NULL,
    exchange text,
    price float8 NOT NULL,
    ts timestamptz NOT NULL,
    received timestamptz NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL
) PARTITION BY RANGE (received);

CREATE INDEX ticks_symbol_ts ON ticks (symbol, ts);

CREATE TABLE candles (
    symbol text NOT NULL,
    "interval" text NOT NULL,
    start timestamptz NOT NULL,
    open float8 NOT NULL,
    high float8 NOT NULL,
    low float8 NOT NULL,
    close float8 NOT NULL,
    ticks bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY ("interval", symbol, start)
) PARTITION BY LIST ("interval");

CREATE TABLE candles_1m PARTITION OF candles FOR VALUES IN ('1m') PARTITION BY RANGE (start);

CREATE TABLE candles_1m_default PARTITION OF candles_1m DEFAULT;

CREATE TABLE candles_rolled PARTITION OF candles FOR VALUES IN ('5m', '1h', '1d');

CREATE TABLE batches (
    node text NOT NULL,
    boot bigint NOT NULL,
    no bigint NOT NULL,
    recorded timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, boot, no)
);

CREATE TABLE rollups_due (
    node text NOT NULL,
    hour timestamptz NOT NULL,
    PRIMARY KEY (node, hour)
)
"""


def upgrade() -> None:
    """Make the tables; `first_at` and `last_at` let batches merge into a candle in any order."""
    for statement in _TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and all that was recorded."""
    op.execute("DROP TABLE ticks, candles, batches, rollups_due")
