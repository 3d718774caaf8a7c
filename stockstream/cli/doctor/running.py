"""Runs the checks side by side, each within its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream.cli.doctor.findings import Finding, failed, skipped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from structlog.stdlib import BoundLogger

CHECK_SECONDS = 2.0

_log: BoundLogger = structlog.get_logger("doctor")


@dataclass(frozen=True, slots=True)
class Check:
    """One question by its `name`. `look` gathers facts and judges them.

    `slow` is what to do where that takes too long. A check that `leaves` asks other machines.
    """

    name: str
    look: Callable[[], Awaitable[Finding]]
    slow: str
    leaves: bool = False


async def run_checks(
    checks: Sequence[Check], *, offline: bool = False, seconds: float = CHECK_SECONDS
) -> list[tuple[str, Finding]]:
    """The findings, in the order of the checks. None of them holds up or ends another."""
    found: list[Finding | None] = [None] * len(checks)

    async def run(number: int, check: Check) -> None:
        if offline and check.leaves:
            found[number] = skipped("asks another machine, and --offline is given")
            return
        found[number] = await _within(check, seconds)

    async with trio.open_nursery() as nursery:
        for number, check in enumerate(checks):
            nursery.start_soon(run, number, check)
    return [
        (check.name, finding)
        for check, finding in zip(checks, found, strict=True)
        if finding is not None
    ]


async def _within(check: Check, seconds: float) -> Finding:
    with trio.move_on_after(seconds):
        try:
            return await check.look()
        # A fault of one check must not hide what the others have found.
        except Exception as error:  # noqa: BLE001
            _log.debug("a check broke", check=check.name, exc_info=error)
            return failed(
                f"the check itself broke: {type(error).__name__}: {error}",
                "report it, with the output of `stockstream doctor --json`",
            )
    return failed(f"no answer within {seconds:g} s", check.slow)
