"""The result of an experiment as data: faults, recoveries, the invariants' verdicts. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from stockstream.chaos.quantities import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCHEMA_VERSION = 1


class ExitCode(IntEnum):
    """How a chaos command ends."""

    HELD = 0
    TOOL_ERROR = 1
    USAGE = 2
    DEVIATED = 3
    NO_STEADY_STATE = 4
    NOT_INJECTED = 5
    ROLLBACK_FAILED = 6
    REFUSED = 7
    INTERRUPTED = 130


VERDICTS: Mapping[ExitCode, str] = {
    ExitCode.HELD: "held",
    ExitCode.TOOL_ERROR: "tool error",
    ExitCode.USAGE: "usage error",
    ExitCode.DEVIATED: "deviated",
    ExitCode.NO_STEADY_STATE: "no steady state: nothing was injected",
    ExitCode.NOT_INJECTED: "not injected",
    ExitCode.ROLLBACK_FAILED: "rollback failed",
    ExitCode.REFUSED: "refused",
    ExitCode.INTERRUPTED: "interrupted; everything was rolled back",
}


class Strike(msgspec.Struct, frozen=True):
    """One fault. Times in seconds: `at` since the start, `recovered` until the actor was back,
    `fresh_*` from when the fault was over until clients had a fresh price. `late` clients had none
    in time. `longest_gap` is the longest time between two prices that it cost a client, and
    `starved` clients waited for longer than it may cost, or stood still without being told.
    """

    at: float
    action: str
    target: str
    verified: bool
    generation_before: int | None
    generation_after: int | None
    recovered: float | None
    fresh_p50: float | None
    fresh_max: float | None
    late: int
    detail: str
    longest_gap: float | None = None
    starved: int = 0


class Recovery(msgspec.Struct, frozen=True):
    """Seconds until a target was back, over all its deaths."""

    count: int
    p50: float
    p95: float
    max: float


class Verdict(msgspec.Struct, frozen=True):
    """Whether an invariant or a probe held, and what was seen."""

    name: str
    held: bool
    detail: str


class ClientsSeen(msgspec.Struct, frozen=True):
    """What the watching clients saw. `longest_gap` in seconds between two prices."""

    count: int
    disconnected: int
    updates: int
    longest_gap: float


class Report(msgspec.Struct, frozen=True):
    """All of it. `started` in ISO 8601, `seconds` the duration.

    `skipped` says what was not done, or not looked at, and why. `node` and `version` are of the
    server, empty when it did not answer.
    """

    title: str
    exit_code: int
    verdict: str
    started: str
    seconds: float
    seed: int | None
    experiment: str | None
    strikes: list[Strike]
    skipped: list[str]
    recovery: dict[str, Recovery]
    clients: ClientsSeen | None
    verdicts: list[Verdict]
    error: str | None = None
    node: str = ""
    version: str = ""
    schema_version: int = SCHEMA_VERSION


def recoveries(strikes: Iterable[Strike]) -> dict[str, Recovery]:
    """Recovery times by target; sessions count as one target."""
    times: dict[str, list[float]] = {}
    for strike in strikes:
        if strike.recovered is not None:
            times.setdefault(strike.target, []).append(strike.recovered)
    return {
        target: Recovery(len(seen), percentile(seen, 0.5), percentile(seen, 0.95), max(seen))
        for target, seen in sorted(times.items())
    }


def fresh_verdict(strikes: Sequence[Strike], limit: float) -> Verdict:
    """C14: after a fault that leaves clients connected, everyone has a fresh price in time."""
    judged = [strike for strike in strikes if strike.fresh_max is not None or strike.late]
    late = sum(strike.late for strike in judged)
    slowest = max((strike.fresh_max or 0.0 for strike in judged), default=0.0)
    return Verdict(
        "fresh prices in time (C14)",
        late == 0,
        f"{late} late; slowest {slowest:.3f} s of {limit:.2f} s allowed, "
        f"after {len(judged)} faults",
    )


def gap_verdict(strikes: Sequence[Strike], limit: float) -> Verdict:
    """C10: no fault of any kind makes a client wait for longer than it may cost."""
    judged = [strike for strike in strikes if strike.longest_gap is not None]
    bad = [strike for strike in judged if strike.starved]
    longest = max((strike.longest_gap or 0.0 for strike in judged), default=0.0)
    detail = f"longest gap {longest:.2f} s of {limit:.2f} s allowed"
    if bad:
        worst = max(bad, key=lambda strike: strike.longest_gap or 0.0)
        names = ", ".join(dict.fromkeys(f"{strike.action} {strike.target}" for strike in bad))
        detail += f"; {worst.starved} clients waited {worst.longest_gap:.2f} s: {names}"
    elif longest > limit:
        detail += "; they were told that the feed is not live"
    return Verdict("nobody waits without a word (C10)", not bad, detail)
