"""Ask a provider that is polled, for `stockstream providers try`, and say what comes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from stockstream.errors import ConfigurationError
from stockstream.market.feeds.allowance import Allowance
from stockstream.market.providers import ProviderError, ProviderRefused
from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.market.parser import Parsed
    from stockstream.market.providers import Provider
    from stockstream.quotes import Observation, Symbol

INTERVAL_SECONDS = 1.0
MOST_LINES = 20
"""Of one answer; a list may hold thousands."""


async def poll(
    provider: Provider, symbols: frozenset[Symbol], seconds: float, say: Callable[[str], None]
) -> int:
    """Ask again and again for so long, within the provider's limits, for `symbols`, or without any
    for its starters, or all it lists; how many prices came that were news.

    Raises:
        ConfigurationError: it has to be asked by name, and there is none.
    """
    terms = provider.terms
    batches: list[frozenset[Symbol] | None] = [symbols or None]
    if terms.at_once is not None:
        in_order, size = sorted(symbols or terms.starters), terms.at_once
        if not in_order:
            raise ConfigurationError("this provider is asked for symbols by name; name one")
        batches = [frozenset(in_order[at : at + size]) for at in range(0, len(in_order), size)]
    allowance = Allowance(terms.limits, None, trio.current_time())
    known: dict[Symbol, Observation] = {}
    news = 0
    with trio.move_on_after(seconds):
        async with aclosing(provider):
            say(f"asking {provider.address}")
            while True:
                for batch in batches:
                    count = len(batch) if batch and terms.counts_symbols else 1
                    await trio.sleep(allowance.wait(trio.current_time(), count))
                    allowance.take(trio.current_time(), count)
                    try:
                        parsed = await provider.fetch(batch)
                    except ProviderError as error:
                        words = f" ({error.said})" if error.said else ""
                        say(f"failed ({error.kind}): {error}{words}")
                        if isinstance(error, ProviderRefused):
                            return news
                        await trio.sleep(error.retry_after or 0.0)
                        continue
                    news += _tell(parsed, known, say)
                await trio.sleep(provider.interval or INTERVAL_SECONDS)
    return news


def _tell(parsed: Parsed, known: dict[Symbol, Observation], say: Callable[[str], None]) -> int:
    new = [seen for seen in parsed.observations if known.get(seen.symbol) != seen]
    known.update((seen.symbol, seen) for seen in new)
    for seen in new[:MOST_LINES]:
        say(as_line(seen))
    if len(new) > MOST_LINES:
        say(f"and {len(new) - MOST_LINES} more")
    for kind, count in parsed.rejects.counts.items():
        say(f"not understood ({kind}, {count}): {parsed.rejects.samples[kind]}")
    return len(new)


def as_line(seen: Observation) -> str:
    """A price as it is printed."""
    words = (seen.symbol, seen.price, seen.currency, iso_utc(seen.timestamp), seen.exchange)
    return " ".join(str(word) for word in words if word is not None)
