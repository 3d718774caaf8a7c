"""Prices kept in PostgreSQL: recorded once, queried, exported, thinned out."""
