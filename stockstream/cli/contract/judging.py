"""Whether the answers of a price API are what the format asks for. Pure.

What a server cannot live with is broken; what costs it something is a warning.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import httpx
import msgspec

from stockstream.cli.contract.asking import AT_ONCE, UNKNOWN
from stockstream.http_client import parse_date
from stockstream.market.parser import RejectKind
from stockstream.market.providers.base import ProviderStatus, SymbolsNotFound
from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stockstream.cli.contract.asking import Asked, Fetched
    from stockstream.quotes import Observation

MOST_AHEAD_MS = 300_000
"""As `market/time_base.py` has it: a price from a later time is not taken."""
OLDEST_MS = 10 * 86_400_000
"""An older price belongs to no day that can be told (`docs/feeds.md`)."""
CLOCK_MS = 5_000
SLOW_SECONDS = 2.0
"""A fetch that takes longer counts as slow (`BREAKER_SLOW_CALL`)."""
WORTH_PACKING = 10_000
SHOWN = 3


class Verdict(StrEnum):
    """What a check found."""

    HELD = "held"
    WARNING = "warning"
    BROKEN = "broken"
    NOT_JUDGED = "not_judged"


class Check(msgspec.Struct, frozen=True):
    """One thing that the format asks for. `found` says what was seen, `advice` what to do."""

    name: str
    asks: str
    verdict: Verdict
    found: str
    advice: str = ""


def judge(asked: Asked) -> list[Check]:
    """All checks, in the order in which one would mend what is broken."""
    good = [one for one in asked.whole if one.parsed is not None and one.parsed.observations]
    checks = [_answers(asked.whole), _items(asked.whole)]
    if good:
        checks += [
            _complete(good),
            _not_ahead(good),
            _order(good),
            _named(asked),
            _unknown(asked),
            _at_once(asked),
            _optional(good),
            _moves(good),
            _quick(good),
            *_headers(good),
        ]
    return checks


def _check(name: str, asks: str, wrong: str, right: str, advice: str, bad: Verdict) -> Check:
    """One that held, unless something is `wrong`."""
    if wrong:
        return Check(name, asks, bad, wrong, advice)
    return Check(name, asks, Verdict.HELD, right)


def _answers(whole: Sequence[Fetched]) -> Check:
    failed = [one for one in whole if one.error is not None]
    wrong = ""
    if failed:
        error = failed[0].error
        said = "" if error is None or error.said is None else f" (it says: {error.said})"
        wrong = f"{len(failed)} of {len(whole)} fetches failed, the first: {error}{said}"
    advice = "docs/feeds.md says what is read, and has each reason"
    right = f"all {len(whole)} fetches were answered"
    asks = "GET /api/stock-prices is answered with 200 and JSON"
    return _check("answers", asks, wrong, right, advice, Verdict.BROKEN)


def _items(whole: Sequence[Fetched]) -> Check:
    read = [one.parsed for one in whole if one.parsed is not None]
    asks = "every item can be read: symbol, price, timestamp; each symbol once"
    if not read:
        return Check("items", asks, Verdict.NOT_JUDGED, "no list came")
    if not any(one.observations or one.rejects.total for one in read):
        return Check("items", asks, Verdict.BROKEN, "the list is empty", "list what there is")
    bad: dict[RejectKind, str] = {}
    for one in read:
        for kind, count in one.rejects.counts.items():
            if kind is not RejectKind.OPTIONAL_FIELD and count:
                bad.setdefault(kind, one.rejects.samples[kind])
    wrong = "; ".join(f"{kind}: {sample}" for kind, sample in bad.items())
    right = f"all {max(len(one.observations) for one in read):,} items were read"
    advice = "docs/feeds.md has the fields; an item that is bad is left out"
    return _check("items", asks, wrong, right, advice, Verdict.BROKEN)


def _complete(good: Sequence[Fetched]) -> Check:
    asks = "the list without `symbols` is whole each time"
    lists = [frozenset(_symbols(one)) for one in good]
    missing = sorted(frozenset.union(*lists) - frozenset.intersection(*lists))
    wrong = f"not in each list: {_some(missing)}" if missing else ""
    right = f"{len(lists[0]):,} symbols in each of {len(lists)} lists"
    advice = "a symbol that is not in the list is stale on the page: list it with its last price"
    return _check("complete", asks, wrong, right, advice, Verdict.BROKEN)


def _not_ahead(good: Sequence[Fetched]) -> Check:
    asks = "times are of now, or a little older: an offset or Z, seconds or milliseconds"
    ahead, old = set[str](), set[str]()
    newest = 0
    for fetched in good:
        # Of two clocks the later one: a wrong one has a check of its own.
        now = max(parse_date(fetched.headers.get("date")) or 0, fetched.at)
        for one in _observations(fetched):
            newest = max(newest, one.timestamp)
            if one.timestamp > now + MOST_AHEAD_MS:
                ahead.add(one.symbol)
            elif one.timestamp < now - OLDEST_MS:
                old.add(one.symbol)
    if ahead:
        wrong = f"over five minutes ahead: {_some(sorted(ahead))}, up to {iso_utc(newest)}"
        advice = "tell times in UTC, with Z; a price from the future is not taken"
        return Check("times", asks, Verdict.BROKEN, wrong, advice)
    wrong = f"over ten days old: {_some(sorted(old))}" if old else ""
    advice = "tell the time of the price; one as old belongs to the day on which it was fetched"
    return _check("times", asks, wrong, f"the newest is {iso_utc(newest)}", advice, Verdict.WARNING)


def _order(good: Sequence[Fetched]) -> Check:
    asks = "the time of a symbol never goes back, and a price that changed has a later one"
    last: dict[str, tuple[int, float]] = {}
    back, same = set[str](), set[str]()
    for fetched in good:
        for one in _observations(fetched):
            before = last.get(one.symbol)
            if before is not None and one.timestamp < before[0]:
                back.add(one.symbol)
            elif before is not None and one.timestamp == before[0] and one.price != before[1]:
                same.add(one.symbol)
            last[one.symbol] = (one.timestamp, one.price)
    if len(good) < 2:
        return Check("order", asks, Verdict.NOT_JUDGED, "there was one list only; give --for more")
    if back:
        advice = "an older price is dropped: do not mix replicas, or caches, of different age"
        return Check("order", asks, Verdict.BROKEN, f"went back: {_some(sorted(back))}", advice)
    wrong = f"another price at the same time: {_some(sorted(same))}" if same else ""
    advice = "tell times in milliseconds: of two providers, the one that tells more is believed"
    return _check("order", asks, wrong, f"in {len(good)} lists", advice, Verdict.WARNING)


def _named(asked: Asked) -> Check:
    names = ",".join(asked.names)
    asks = f"symbols={names} is answered with these"
    fetched = asked.named
    if fetched is None or fetched.parsed is None:
        why = "it was not asked" if fetched is None else str(fetched.error)
        return Check("named", asks, Verdict.BROKEN, why, "take the parameter `symbols`")
    found = set(_symbols(fetched))
    missing = sorted(set(asked.names) - found)
    if missing:
        wrong = f"not in the answer: {_some(missing)}"
        return Check("named", asks, Verdict.BROKEN, wrong, "take the parameter `symbols`")
    more = len(found) - len(asked.names)
    wrong = f"{more:,} others came with them" if more else ""
    advice = "answer with what was asked for: a server asks so for what is looked at most"
    return _check("named", asks, wrong, "and with no others", advice, Verdict.WARNING)


def _unknown(asked: Asked) -> Check:
    asks = "a symbol that is not known is answered with 404, or a list without it"
    fetched = asked.unknown
    if fetched is None:
        return Check("unknown", asks, Verdict.NOT_JUDGED, "it was not asked")
    error = fetched.error
    not_found = isinstance(error, SymbolsNotFound) or (
        isinstance(error, ProviderStatus) and error.status == httpx.codes.NOT_FOUND
    )
    wrong = "" if error is None or not_found else str(error)
    if UNKNOWN in _symbols(fetched):
        wrong = f"it has a price of {UNKNOWN}, which nobody trades"
    right = "404" if error is not None else "a list without it"
    advice = "any other status counts as trouble, and opens the circuit breaker"
    return _check("unknown", asks, wrong, right, advice, Verdict.BROKEN)


def _at_once(asked: Asked) -> Check:
    asks = f"{AT_ONCE} requests at the same time are answered"
    failed = [str(one.error) for one in asked.at_once if one.error is not None]
    wrong = f"{len(failed)} were not: {failed[0]}" if failed else ""
    advice = "a server asks for the list and for single symbols at the same time"
    return _check("at_once", asks, wrong, "they were", advice, Verdict.BROKEN)


def _optional(good: Sequence[Fetched]) -> Check:
    asks = "optional fields that are told can be read"
    samples = [
        sample
        for one in good
        if one.parsed is not None
        and (sample := one.parsed.rejects.samples.get(RejectKind.OPTIONAL_FIELD))
    ]
    told = sorted({name for one in _observations(good[-1]) for name in _optional_of(one)})
    right = f"it tells {', '.join(told)}" if told else "it tells none"
    advice = "docs/feeds.md has them; a price is taken without a field that cannot be read"
    return _check("optional", asks, samples[0] if samples else "", right, advice, Verdict.WARNING)


def _optional_of(seen: Observation) -> Iterator[str]:
    """The names of the optional fields that a price came with."""
    parts = (
        (seen, ("exchange", "currency", "name", "open", "previous_close", "session")),
        (seen.figures, ("high", "low", "volume")),
        (seen.top, ("bid", "ask")),
    )
    for part, names in parts:
        yield from (name for name in names if getattr(part, name, None) is not None)


def _moves(good: Sequence[Fetched]) -> Check:
    asks = "prices or their times move"
    first = {one.symbol: (one.price, one.timestamp) for one in _observations(good[0])}
    moved = sum(
        first.get(one.symbol, (one.price, one.timestamp)) != (one.price, one.timestamp)
        for one in _observations(good[-1])
    )
    if moved:
        return Check("moves", asks, Verdict.HELD, f"{moved:,} of {len(first):,} symbols did")
    found = "none did in this time: is the market closed, or the answer cached?"
    return Check("moves", asks, Verdict.NOT_JUDGED, found)


def _quick(good: Sequence[Fetched]) -> Check:
    slowest = max(one.seconds for one in good)
    asks = f"an answer takes less than {SLOW_SECONDS:g} s"
    found = f"the slowest took {slowest * 1000:,.0f} ms"
    wrong = found if slowest >= SLOW_SECONDS else ""
    advice = "slow fetches open the circuit breaker as failed ones do (BREAKER_SLOW_CALL)"
    return _check("quick", asks, wrong, found, advice, Verdict.WARNING)


def _headers(good: Sequence[Fetched]) -> Iterator[Check]:
    last = good[-1]
    kind = last.headers.get("content-type", "")
    asks = "Content-Type is application/json"
    wrong = "" if "json" in kind.lower() else f"it is {kind!r}" if kind else "there is none"
    yield _check("content_type", asks, wrong, kind, "say what it is", Verdict.WARNING)

    date = parse_date(last.headers.get("date"))
    wrong = "there is none"
    if date is not None:
        wrong = f"it is {iso_utc(date)}, ours {iso_utc(last.at)}"
        wrong = wrong if abs(date - last.at) > CLOCK_MS else ""
    advice = "the header is how a wrong clock, ours or theirs, is told from an old price"
    asks = "Date is there, and as our clock"
    yield _check("date", asks, wrong, "within five seconds", advice, Verdict.WARNING)

    packed = last.headers.get("content-encoding", "") == "gzip"
    asks = "a long list is packed with gzip, as it is asked to be"
    if last.size >= WORTH_PACKING or packed:
        wrong = "" if packed else f"{last.size:,} bytes came unpacked"
        yield _check("packed", asks, wrong, "it is", "it is a tenth of the bytes", Verdict.WARNING)

    closed = "close" in last.headers.get("connection", "").lower()
    asks = "a connection is kept for the next request"
    wrong = "it closes each" if closed else ""
    advice = "each fetch has to connect again, with TLS in some round trips"
    yield _check("kept", asks, wrong, "it does not close", advice, Verdict.WARNING)

    age = last.headers.get("age", "0")
    asks = "no cache answers"
    wrong = f"the answer is {age} s old" if age.isdecimal() and int(age) else ""
    advice = "say Cache-Control: no-store, or how long a price is good"
    yield _check("not_cached", asks, wrong, "none says so", advice, Verdict.WARNING)


def _observations(fetched: Fetched) -> Sequence[Observation]:
    return fetched.parsed.observations if fetched.parsed is not None else ()


def _symbols(fetched: Fetched) -> Iterator[str]:
    return (one.symbol for one in _observations(fetched))


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
