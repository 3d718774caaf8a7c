"""Feeds: one for each upstream, each under a supervisor of its own with its circuit breaker."""
