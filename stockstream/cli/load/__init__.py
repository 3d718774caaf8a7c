"""`stockstream load`: many clients against any deployment, and what they got."""

from stockstream.cli.load.command import load

__all__ = ["load"]
