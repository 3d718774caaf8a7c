"""Monitoring of the service: metrics and health."""
