"""Figures of a node by the minute, kept in the database for a week."""
