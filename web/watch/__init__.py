"""For those who watch the service: metrics and health."""
