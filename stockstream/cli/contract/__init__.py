"""`stockstream contract`: whether a price API keeps what the format of `docs/feeds.md` asks for."""

from stockstream.cli.contract.command import contract

__all__ = ["contract"]
