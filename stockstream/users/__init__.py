"""Rows that belong to somebody: kept, changed, audited, purged."""
