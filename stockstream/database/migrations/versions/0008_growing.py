"""Candles that only grow: what retention has taken is written down, old ticks have a place."""

from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = """
ALTER TABLE candles ADD COLUMN partial boolean NOT NULL DEFAULT false;

CREATE TABLE ticks_default PARTITION OF ticks DEFAULT;

CREATE INDEX ticks_default_received ON ticks_default (received);

CREATE INDEX candles_1m_default_start ON candles_1m_default (start);

CREATE TABLE thinned (
    source text PRIMARY KEY,
    before timestamptz NOT NULL
);

INSERT INTO thinned
SELECT source, coalesce(
    (SELECT min(to_date(right(relname, 8), 'YYYYMMDD')) FROM pg_inherits
     JOIN pg_class c ON c.oid = inhrelid
     WHERE inhparent = source::regclass AND relname ~ '_[0-9]{8}$')::timestamp AT TIME ZONE 'UTC',
    '0001-01-01 00:00+00')
FROM unnest(ARRAY['ticks', 'candles_1m']) AS source;

UPDATE thinned SET before = least(before, coalesce(
    (SELECT date_bin('1 hour', min(start), '1970-01-01 00:00+00') FROM candles_1m_default), before))
WHERE source = 'candles_1m'
"""


def upgrade() -> None:
    """Make them. What an older program took is not written down: all from before what is there."""
    for statement in _TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and the ticks that are in no day's partition: those that were imported."""
    op.execute("DROP TABLE thinned, ticks_default")
    op.execute("DROP INDEX candles_1m_default_start")
    op.execute("ALTER TABLE candles DROP COLUMN partial")
