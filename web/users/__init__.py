"""The user of a request."""
