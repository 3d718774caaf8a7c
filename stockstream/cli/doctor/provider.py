"""Checks of where prices come from: each provider is asked once, as a server would ask it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from stockstream.cli.doctor.findings import Finding, failed, info, ok, warning
from stockstream.cli.doctor.names import is_here
from stockstream.http_client import parse_date, tls_context
from stockstream.market.feeds.allowance import Tokens
from stockstream.market.feeds.line import Line
from stockstream.market.providers import ProviderError, ProviderRefused
from stockstream.market.providers.push import Prices, Ready, Refused, Subscribed
from stockstream.proxies import proxy_to, through
from stockstream.quotes import Observation, parse_symbol
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stockstream.cli.doctor.clock import Clocks
    from stockstream.market.providers import Provider
    from stockstream.market.providers.push import Access, Event, PushProvider
    from stockstream.quotes import Symbol

LISTEN_SECONDS = 1.8
"""Less than a check may take, so that what came by then is told."""
FEW = 3
"""As many symbols of a provider that pushes are asked for."""
OLD_SECONDS = 900.0
"""A price older than that is of a closed market, or delayed."""
AHEAD_SECONDS = 5.0


class Asked(msgspec.Struct, frozen=True):
    """What came of asking. `trouble` is in our words, `said` in theirs; after a `fatal` one the
    key or plan is wrong. `newest` is the newest price of all.
    """

    symbols: int = 0
    newest: Observation | None = None
    rejects: int = 0
    reject: str | None = None
    let_in: bool = False
    refused: tuple[str, ...] = ()
    trouble: str | None = None
    said: str | None = None
    fatal: bool = False


async def ask_polled(
    provider: Provider, symbols: AbstractSet[Symbol], clocks: Clocks, name: str
) -> Asked:
    """Ask once for `symbols`, or for the first that it has."""
    terms = provider.terms
    batch: frozenset[Symbol] | None = frozenset(symbols or terms.starters) or None
    if terms.at_once is not None:
        batch = frozenset(sorted(batch or ())[: terms.at_once])
        if not batch:
            return Asked(trouble="it has to be asked for symbols by name, and SYMBOLS has none")
    began = now_ms()
    async with aclosing(provider):
        try:
            parsed = await provider.fetch(batch)
        except ProviderError as error:
            fatal = isinstance(error, ProviderRefused)
            return Asked(trouble=str(error), said=error.said, fatal=fatal)
        if parsed.date is not None and provider.has_own_clock:
            clocks.saw_date(name, parsed.date, began, now_ms())
    return Asked(
        symbols=len(parsed.observations),
        newest=max(parsed.observations, key=lambda seen: seen.timestamp, default=None),
        rejects=parsed.rejects.total,
        reject=next(iter(parsed.rejects.samples.values()), None),
        let_in=True,
        said=parsed.said,
    )


async def ask_pushed(
    provider: PushProvider,
    access: Access,
    symbols: AbstractSet[Symbol],
    clocks: Clocks,
    name: str,
) -> Asked:
    """Connect, subscribe to a few symbols, and listen for a moment."""
    wanted = frozenset(sorted(symbols or map(parse_symbol, provider.starters))[:FEW])
    seen: dict[Symbol, Observation] = {}
    refused: list[str] = []
    let_in = False

    def heard(_line: Line, event: Event) -> None:
        nonlocal let_in
        match event:
            case Prices(observations):
                seen.update((one.symbol, one) for one in observations)
            case Ready() | Subscribed():
                let_in = True
            case Refused(symbol, code, _):
                refused.append(f"{symbol} ({code})")
            case _:
                pass
        if wanted <= seen.keys() | line.refused.keys():
            enough.set()

    enough = trio.Event()
    tokens = Tokens(provider.limits.messages, None, trio.current_time())
    line = Line(provider, access, tokens, heard, now_ms)
    line.want(wanted)
    address = access.url or provider.address
    with trio.move_on_after(LISTEN_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ask_date, address, access, clocks, name)
            nursery.start_soon(_run, line, enough)
            await enough.wait()
            nursery.cancel_scope.cancel()
    end = line.end
    ended = end is not None and end.kind != "left"
    return Asked(
        symbols=len(seen),
        newest=max(seen.values(), key=lambda one: one.timestamp, default=None),
        let_in=let_in or bool(seen),
        refused=tuple(refused),
        trouble=str(end) if ended else None,
        said=end.said if end is not None and ended else None,
        fatal=end.fatal if end is not None else False,
    )


async def _run(line: Line, ended: trio.Event) -> None:
    await line.run()
    ended.set()


async def _ask_date(address: str, access: Access, clocks: Clocks, name: str) -> None:
    """The date that the server's host answers with; a socket tells none."""
    parts = urlsplit(address)
    if parts.hostname is None or is_here(parts.hostname):
        return
    url = httpx.URL(f"{'http' if parts.scheme == 'ws' else 'https'}://{parts.netloc}/")
    verify = tls_context(verify=access.verify_tls)
    proxy = through(proxy_to(url))
    began = now_ms()
    async with httpx.AsyncClient(verify=verify, trust_env=False, proxy=proxy) as client:
        try:
            async with client.stream("GET", url) as answer:
                date = parse_date(answer.headers.get("date"))
        except httpx.HTTPError:
            return  # the socket itself says what is wrong
    if date is not None:
        clocks.saw_date(name, date, began, now_ms())


def judge_asked(asked: Asked, now: int, key: str | None) -> Finding:
    """What an answer is worth; `key` is the variable of the provider's key, where it has one."""
    words = "" if asked.said is None else f" (it says: {asked.said})"
    if asked.fatal:
        where = "the key and the plan" if key is None else f"{key}, and what your plan allows"
        return failed(f"it refuses us: {asked.trouble}{words}", f"look at {where}")
    if asked.trouble is not None:
        return failed(
            f"{asked.trouble}{words}",
            "see whether it is reached from here, and its address; docs/feeds.md has each reason",
        )
    if asked.newest is None:
        if asked.refused:
            return failed(
                f"it refuses {', '.join(asked.refused[:FEW])}", "correct SYMBOLS or ROUTES"
            )
        if asked.rejects:
            return failed(
                f"none of {asked.rejects:,} items can be read, the first: {asked.reject}",
                "docs/feeds.md has the shape that is read; docs/providers.md, how another is told",
            )
        if asked.let_in:
            return info(f"it lets us in, and told no price within {LISTEN_SECONDS:g} s{words}")
        return failed(
            f"it answers, and does not let us in within {LISTEN_SECONDS:g} s",
            "`stockstream providers try` waits longer and shows all that comes",
        )
    return _judge_prices(asked, asked.newest, now)


def _judge_prices(asked: Asked, newest: Observation, now: int) -> Finding:
    age = (now - newest.timestamp) / 1000
    count = "1 symbol" if asked.symbols == 1 else f"{asked.symbols:,} symbols"
    text = f"{count}; {newest.symbol} {newest.price:g}, {_age(age)}"
    if asked.rejects:
        return warning(
            f"{text}; {asked.rejects:,} items cannot be read, the first: {asked.reject}",
            "docs/feeds.md has the shape that is read",
        )
    if asked.refused:
        return warning(
            f"{text}; it refuses {', '.join(asked.refused[:FEW])}", "correct SYMBOLS or ROUTES"
        )
    if age < -AHEAD_SECONDS:
        return warning(text, "one of the two clocks is wrong: see the check of the clock")
    if age > OLD_SECONDS:
        return info(f"{text}: the market is closed, or the prices are delayed")
    return ok(text)


def _age(seconds: float) -> str:
    if seconds < -AHEAD_SECONDS:
        return f"{-seconds:,.1f} s in the future"
    return f"{max(0.0, seconds):,.1f} s old"
