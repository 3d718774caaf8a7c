"""`stockstream providers try`: connect to a provider once, and print what comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter
from cyclopts.validators import Number

from stockstream import part_settings
from stockstream.environment import key_and_secret, load
from stockstream.error_groups import first_of
from stockstream.errors import ConfigurationError
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.fill import Fill
from stockstream.market.feeds.line import Line
from stockstream.market.providers import InvalidProviderUrl
from stockstream.market.providers.chosen import push_provider
from stockstream.market.providers.push import Prices, Ready, Refused, Replace, Subscribed, Unread
from stockstream.market.providers.push_registry import PUSH_PROVIDERS
from stockstream.quotes import InvalidSymbol, iso_utc, parse_symbol
from stockstream.sources import Source
from stockstream.times import now_ms

if TYPE_CHECKING:
    from stockstream.market.providers.push import Access, Event, PushProvider
    from stockstream.quotes import Symbol


async def try_one(
    provider: str,
    *symbols: str,
    seconds: Annotated[float, Parameter(validator=Number(gt=0))] = 30.0,
) -> int:
    """Connect to a provider once, and print what comes, each event on a line.

    No server has to run. Exit codes: 0 a price came, 1 none did, 2 usage or settings.

    For example:

    - `stockstream providers try kraken BTC-USD ETH-USD` takes what needs no key.
    - `stockstream providers try 'kraken://?url=ws://localhost:9000/v2'` asks another server.

    Parameters
    ----------
    provider
        A name of PROVIDERS, with its options and key; else the name of a kind, or an address. The
        key of a kind is in a variable of its name, as FINNHUB_API_KEY.
    symbols
        What is asked for; else what the provider has for a beginning.
    seconds
        For how long.
    """
    spoken, access = _chosen(provider)
    try:
        wanted = frozenset(map(parse_symbol, symbols or spoken.starters))
    except InvalidSymbol as error:
        raise ConfigurationError(str(error)) from None
    if not wanted:
        raise ConfigurationError(f"{spoken.name} has no symbols to begin with; name one")
    return await _listen(spoken, access, wanted, seconds)


def _chosen(provider: str) -> tuple[PushProvider, Access]:
    configuration = load()
    named = {source.name for source in configuration.settings.providers}
    if provider in named:
        upstreams = part_settings.upstreams(configuration.settings, None)
        upstream = next(one for one in upstreams if one.name == provider)
    else:
        address = provider if "://" in provider else f"{provider}://"
        scheme = address.partition("://")[0].lower()
        # Of a kind that is no name, the key is in a variable of the kind's.
        source = Source(scheme if scheme in PUSH_PROVIDERS else "try", address)
        upstream = part_settings.upstream_of(source, *key_and_secret(source))
    try:
        chosen = push_provider(upstream)
    except InvalidProviderUrl as error:
        raise ConfigurationError(str(error)) from None
    if chosen is None:
        kinds = ", ".join(sorted(PUSH_PROVIDERS))
        raise ConfigurationError(f"{provider[:32]!r} is polled; those that push are {kinds}")
    return chosen


async def _listen(
    provider: PushProvider, access: Access, wanted: frozenset[Symbol], seconds: float
) -> int:
    began = trio.current_time()
    prices = 0

    def say(text: str) -> None:
        sys.stdout.write(f"{trio.current_time() - began:7.3f} s  {text}\n")
        sys.stdout.flush()

    def told(event: Event) -> None:
        nonlocal prices
        prices += len(event.observations) if isinstance(event, Prices) else 0
        for text in _said(event):
            say(text)

    def heard(_line: Line, event: Event) -> None:
        told(event)
        if fill is not None and isinstance(event, Subscribed):
            fill.want(event.symbols)

    def not_filled(_kind: str, reason: str, words: str | None) -> None:
        say(f"{reason} ({words})" if words else reason)

    messages = Tokens(provider.limits.messages, None, began)
    latest = provider.latest
    fill = None
    if latest is not None:
        fill = Fill(latest, access, told, not_filled, now_ms, Tokens(latest.calls, None, began))
    line = Line(provider, access, messages, heard, now_ms)
    line.want(wanted)
    say(f"{provider.name}: asking for {', '.join(sorted(wanted))}")
    try:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                if fill is not None:
                    nursery.start_soon(fill.run)
                await line.run()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        ours = group.subgroup((BrokenPipeError, KeyboardInterrupt))
        if ours is None:
            raise
        raise first_of(ours) from None
    if line.end is not None and line.end.kind != "left":
        words = f" ({line.end.said})" if line.end.said else ""
        say(f"ended: {line.end}{words}")
    say(f"{prices} prices in {trio.current_time() - began:.0f} s")
    return 0 if prices else 1


def _said(event: Event) -> list[str]:
    match event:
        case Ready():
            return ["let in"]
        case Subscribed(symbols):
            return [f"subscribed: {', '.join(sorted(symbols))}"]
        case Refused(symbol, code, reason):
            return [f"refused: {symbol} ({code}): {reason}"]
        case Prices(observations):
            return [
                f"{seen.symbol} {seen.price} {seen.currency or ''} {iso_utc(seen.timestamp)}"
                for seen in observations
            ]
        case Replace(reason):
            return [f"the provider will end this connection: {reason}"]
        case Unread(kind, detail, count):
            return [f"not understood ({kind}, {count}): {detail}"]
        case _:
            return []
