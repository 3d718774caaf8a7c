"""`stockstream providers try`: ask a provider, without a server, and print what comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter
from cyclopts.validators import Number

from stockstream import part_settings
from stockstream.cli.providers.polling import as_line, poll
from stockstream.environment import key_and_secret, load
from stockstream.error_groups import first_of
from stockstream.errors import ConfigurationError
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.fill import Fill
from stockstream.market.feeds.line import Line
from stockstream.market.providers import InvalidProviderUrl, InvalidProxy
from stockstream.market.providers.chosen import poll_provider, push_provider
from stockstream.market.providers.json_api.known_apis import KNOWN_APIS
from stockstream.market.providers.push import Prices, Ready, Refused, Replace, Subscribed, Unread
from stockstream.market.providers.push_registry import PUSH_PROVIDERS
from stockstream.quotes import InvalidSymbol, parse_symbol
from stockstream.secret_places import value_of
from stockstream.sources import Source
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.config import Settings
    from stockstream.market.providers.push import Access, Event, PushProvider
    from stockstream.quotes import Symbol
    from stockstream.upstreams import Upstream


async def try_one(
    provider: str,
    *symbols: str,
    seconds: Annotated[float, Parameter(validator=Number(gt=0))] = 30.0,
) -> int:
    """Connect to a provider once, or poll it for a while, and print what comes, line by line.

    No server has to run. Exit codes: 0 a price came, 1 none did, 2 usage or settings.

    For example:

    - `stockstream providers try kraken BTC-USD ETH-USD` takes what needs no key.
    - `stockstream providers try 'kraken://?url=ws://localhost:9000/v2'` asks another server.
    - `stockstream providers try json://prices.toml AAPL` tries a declaration before a server does.

    Parameters
    ----------
    provider
        A name of PROVIDERS, with its options and key; else the name of a kind, or an address. The
        key of a kind is in a variable of its name, as FINNHUB_API_KEY, that of any other address in
        TRY_API_KEY.
    symbols
        What is asked for; else what the provider has for a beginning.
    seconds
        For how long.
    """
    settings = load().settings
    upstream = _named(provider, settings)
    try:
        named = frozenset(map(parse_symbol, symbols))
        pushed = push_provider(upstream, verify_tls=settings.http_verify_tls)
        polled = None if pushed else poll_provider(upstream, part_settings.http(settings))
    except (InvalidProviderUrl, InvalidProxy, InvalidSymbol) as error:
        raise ConfigurationError(str(error)) from None
    began = trio.current_time()

    def say(text: str) -> None:
        sys.stdout.write(f"{trio.current_time() - began:7.3f} s  {text}\n")
        sys.stdout.flush()

    prices = 0
    try:
        if pushed is not None:
            prices = await _listen(*pushed, named, seconds, say)
        elif polled is not None:
            prices = await poll(polled(), named, seconds, say)
    except BaseExceptionGroup as group:
        ours = group.subgroup((BrokenPipeError, KeyboardInterrupt))
        if ours is None:
            raise
        raise first_of(ours) from None
    say(f"{prices} prices in {trio.current_time() - began:.0f} s")
    return 0 if prices else 1


def _named(provider: str, settings: Settings) -> Upstream:
    if any(source.name == provider for source in settings.providers):
        upstreams = part_settings.upstreams(settings, None)
        return next(one for one in upstreams if one.name == provider)
    address = provider if "://" in provider else f"{provider}://"
    scheme = address.partition("://")[0].lower()
    # Of a kind that is no name, the key is in a variable of the kind's.
    of_a_kind = scheme in PUSH_PROVIDERS or scheme in KNOWN_APIS
    source = Source(scheme.partition("+")[0] if of_a_kind else "try", address)
    key, secret = key_and_secret(source)
    return part_settings.upstream_of(source, value_of(key), value_of(secret))


async def _listen(
    provider: PushProvider,
    access: Access,
    named: frozenset[Symbol],
    seconds: float,
    say: Callable[[str], None],
) -> int:
    wanted = named or frozenset(map(parse_symbol, provider.starters))
    if not wanted:
        raise ConfigurationError(f"{provider.name} has no symbols to begin with; name one")
    prices = 0

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

    now = trio.current_time()
    messages = Tokens(provider.limits.messages, None, now)
    latest = provider.latest
    fill = None
    if latest is not None:
        fill = Fill(latest, access, told, not_filled, now_ms, Tokens(latest.calls, None, now))
    line = Line(provider, access, messages, heard, now_ms)
    line.want(wanted)
    say(f"{provider.name}: asking for {', '.join(sorted(wanted))}")
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            if fill is not None:
                nursery.start_soon(fill.run)
            await line.run()
            nursery.cancel_scope.cancel()
    if line.end is not None and line.end.kind != "left":
        words = f" ({line.end.said})" if line.end.said else ""
        say(f"ended: {line.end}{words}")
    return prices


def _said(event: Event) -> list[str]:
    match event:
        case Ready():
            return ["let in"]
        case Subscribed(symbols):
            return [f"subscribed: {', '.join(sorted(symbols))}"]
        case Refused(symbol, code, reason):
            return [f"refused: {symbol} ({code}): {reason}"]
        case Prices(observations):
            return [as_line(seen) for seen in observations]
        case Replace(reason):
            return [f"the provider will end this connection: {reason}"]
        case Unread(kind, detail, count):
            return [f"not understood ({kind}, {count}): {detail}"]
        case _:
            return []
