"""Notices for operators: what somebody should know at once, by log, event, metric and webhook."""
