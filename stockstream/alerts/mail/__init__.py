"""Alerts by mail: addresses that were confirmed, letters, their queue, and the way to a server."""
