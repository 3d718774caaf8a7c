"""The options of a provider's address: what stands behind its `?`."""

from __future__ import annotations

from urllib.parse import parse_qsl

from stockstream.market.providers.base import InvalidProviderUrl


def given_options(query: str) -> dict[str, str]:
    """What is given, by name.

    Raises:
        InvalidProviderUrl: one is given twice; which of them is meant, nobody knows.
    """
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in given:
            raise InvalidProviderUrl(f"{name[:32]} is given twice")
        given[name] = value
    return given
