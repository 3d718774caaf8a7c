"""Telemetry for operators: the tree as data, metrics and the event log."""
