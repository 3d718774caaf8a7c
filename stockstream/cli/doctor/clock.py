"""The check of this machine's clock, by what others have said the time is meanwhile."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from stockstream.cli.doctor.findings import Finding, failed, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTED_SECONDS = 3.0
"""A date tells whole seconds, and its way takes time too."""
WRONG_SECONDS = 60.0

_SET = "let the machine keep its time: timedatectl set-ntp true, or chrony"


class Clocks:
    """By how many seconds each witness's clock is ahead of ours."""

    def __init__(self) -> None:
        self.ahead: dict[str, float] = {}

    def saw_date(self, who: str, date_ms: int, asked_ms: int, answered_ms: int) -> None:
        """Somebody answered with a date of whole seconds."""
        self.ahead[who] = (date_ms + 500 - (asked_ms + answered_ms) / 2) / 1000

    def saw(self, who: str, ahead_seconds: float) -> None:
        """Somebody told the time exactly."""
        self.ahead[who] = ahead_seconds


def judge_clock(ahead: Mapping[str, float]) -> Finding:
    """Whether our clock is right, by most of the witnesses."""
    if not ahead:
        return skipped("nobody on another machine has told the time")
    off = -median(ahead.values())
    said = ", ".join(f"{who} {seconds:+.1f} s" for who, seconds in ahead.items())
    if abs(off) < NOTED_SECONDS:
        odd = [who for who, seconds in ahead.items() if abs(seconds) >= WRONG_SECONDS]
        if odd:
            return warning(
                f"right by most, but not by {', '.join(odd)} ({said})", "see to the clock there"
            )
        return ok(f"right to {NOTED_SECONDS:g} s, by {', '.join(ahead)}")
    way = "ahead" if off > 0 else "behind"
    text = f"this machine's clock is {abs(off):,.1f} s {way} ({said})"
    if abs(off) >= WRONG_SECONDS:
        return failed(text, _SET)
    return warning(text, _SET)
