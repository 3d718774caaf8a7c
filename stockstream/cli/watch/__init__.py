"""`stockstream watch`: live prices in a terminal, or as lines for another program."""

from stockstream.cli.watch.command import watch

__all__ = ["watch"]
