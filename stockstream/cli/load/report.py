"""What all processes of clients found together, and whether it is what was wanted. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from stockstream.cli.load.delivery import Delays, percentile, summed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stockstream.cli.load.plan import Findings

HELD, MISSED = 0, 3
BUSY = 0.8
"""The part of a core from which a process of clients may have delayed what it measures."""
LIMITS_BY_ADDRESS = ("too_many_connections", "too_many_handshakes")
HOW_WITHOUT_LIMITS = (
    "an API token with the scope load has no limits by address: make one by `stockstream tokens "
    "create NAME --account WHO --scope prices:read --scope load`, and give it by --token or "
    "STOCKSTREAM_TOKEN"
)


class Wanted(msgspec.Struct, frozen=True):
    """What must not be exceeded; None is not judged. Times are in ms."""

    failed: int | None
    p99: int | None
    pause: int | None


class Times(msgspec.Struct, frozen=True):
    """How times were spread, in ms; None where there were none."""

    p50: int | None
    p95: int | None
    p99: int | None
    longest: int | None

    @classmethod
    def of(cls, times: Mapping[int, int]) -> Times:
        """Of times by how often each was met."""
        p50, p95, p99 = (percentile(times, share) for share in (0.5, 0.95, 0.99))
        return cls(p50, p95, p99, max(times, default=None))


class Judged(msgspec.Struct, frozen=True):
    """One thing that was wanted."""

    what: str
    held: bool


class Report(msgspec.Struct, frozen=True):
    """All of it. Times in ms; `seconds` of measuring. `busiest` is the share of a core that the
    busiest process of clients took.
    """

    exit_code: int
    url: str
    clients: int
    symbols: int
    of_symbols: int
    seed: int
    seconds: float
    interrupted: bool
    open: int
    connects: int
    churned: int
    moved: int
    messages: int
    prices: int
    older: int
    handshake: Times
    first_price: Times
    delivery: Times
    pause: Times
    silence: Times
    refused: dict[str, int]
    lost: dict[str, int]
    not_taken: dict[str, int]
    busiest: float
    processes: int
    judged: list[Judged]

    @property
    def met_a_limit(self) -> bool:
        """Whether connections were refused that a token with the scope `load` would have had."""
        return any(word.startswith(LIMITS_BY_ADDRESS) for word in self.refused)


def report(
    found: Sequence[Findings],
    wanted: Wanted,
    *,
    url: str,
    clients: int,
    symbols: int,
    of_symbols: int,
    seed: int,
    interrupted: bool = False,
) -> Report:
    """Put together what the processes found."""
    delays = Delays()
    for one in found:
        for server, clocks in one.delays.items():
            for clock in clocks:
                delays.add(server, clock)
    trips = [one.round_trip for one in found if one.round_trip is not None]
    delivery = Times.of(delays.times(min(trips, default=None)))
    pause = Times.of(summed(one.pauses for one in found))
    refused, lost = _words(one.refused for one in found), _words(one.lost for one in found)
    older = sum(one.counts.older for one in found)
    judged = [Judged(f"no older price after a newer one: {older:,}", held=older == 0)]
    if wanted.failed is not None:
        failed = sum(refused.values()) + sum(lost.values())
        text = f"at most {wanted.failed:,} connections refused or lost: {failed:,}"
        judged.append(Judged(text, held=failed <= wanted.failed))
    judged += _within("99 % of deliveries take no more", wanted.p99, delivery.p99)
    judged += _within("no client without a price for more", wanted.pause, pause.longest)
    held = all(one.held for one in judged)
    return Report(
        exit_code=HELD if held else MISSED,
        url=url,
        clients=clients,
        symbols=symbols,
        of_symbols=of_symbols,
        seed=seed,
        seconds=round(max((one.seconds for one in found), default=0.0), 3),
        interrupted=interrupted,
        open=sum(one.counts.open for one in found),
        connects=sum(one.counts.connects for one in found),
        churned=sum(one.counts.churned for one in found),
        moved=sum(one.counts.moved for one in found),
        messages=sum(one.counts.messages for one in found),
        prices=sum(one.counts.prices for one in found),
        older=older,
        handshake=Times.of(summed(one.handshakes for one in found)),
        first_price=Times.of(summed(one.first_prices for one in found)),
        delivery=delivery,
        pause=pause,
        silence=Times.of(summed(one.silences for one in found)),
        refused=refused,
        lost=lost,
        not_taken=_words(one.not_taken for one in found),
        busiest=round(max((one.cpu / one.seconds for one in found if one.seconds), default=0.0), 3),
        processes=len(found),
        judged=judged,
    )


def _words(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(total.most_common())


def _within(what: str, most: int | None, met: int | None) -> list[Judged]:
    """None at all were met: that is not what was wanted either."""
    if most is None:
        return []
    said = "none came" if met is None else f"{met:,} ms"
    return [Judged(f"{what} than {most:,} ms: {said}", held=met is not None and met <= most)]


def lines(told: Report) -> list[tuple[str, str]]:
    """The report for people: a heading and a text each."""
    rate = told.prices / told.seconds if told.seconds else 0.0
    who = f"{told.clients:,} with {told.symbols:,} of {told.of_symbols:,} symbols each"
    end = ", interrupted" if told.interrupted else ""
    moved = f"; {told.moved:,} were sent away by the server" if told.moved else ""
    pause, silence = _spread(told.pause), _spread(told.silence)
    found = [
        ("clients", f"{who}, for {told.seconds:.0f} s, of {told.url}{end}"),
        ("connected", f"{told.open:,} at the end; {told.churned:,} left and came back{moved}"),
        ("handshake", _spread(told.handshake)),
        ("first price", _spread(told.first_price)),
        ("delivery", _spread(told.delivery)),
        ("prices", f"{told.prices:,}, which is {rate:,.0f} a second"),
        ("pauses", f"the longest of a client without a price: {pause}"),
        ("silences", f"the longest of a client without any message: {silence}"),
        *_reasons("refused", told.refused),
    ]
    if told.met_a_limit:
        found.append(("", HOW_WITHOUT_LIMITS))
    found += _reasons("lost", told.lost) + _reasons("not taken", told.not_taken)
    busy = f"{told.busiest:.0%} of a core in the busiest of {told.processes} processes"
    if told.busiest >= BUSY:
        busy += ": too busy to believe the times; give more --processes, on more cores"
    return [*found, ("own CPU", busy)]


def _reasons(heading: str, words: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(heading, f"{count:,} times: {word}") for word, count in words.items()]


def _spread(times: Times) -> str:
    if times.longest is None:
        return "none"
    return (
        f"p50 {times.p50:,} ms, p95 {times.p95:,} ms, p99 {times.p99:,} ms, "
        f"longest {times.longest:,} ms"
    )
