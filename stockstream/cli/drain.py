"""`stockstream drain`, which deployments call: the same as `stockstream actions drain`."""

from stockstream.cli.actions import drain

__all__ = ["drain"]
