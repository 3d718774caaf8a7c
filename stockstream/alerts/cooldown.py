"""The cool-down of rules: after an alert, further crossings are withheld. No I/O, no clock.

Withheld crossings are not lost. They become one alert, made from the last of them, which has their
number. It is sent when the cool-down ends, and begins the next cool-down. So a price that jitters
around a threshold causes one alert per cool-down, and the last crossing is always reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stockstream.messages import Alert


@dataclass(slots=True)
class _Quiet:
    """A rule's cool-down, from the crossing that caused an alert."""

    until: int
    withheld: Alert | None = None


class CoolDowns:
    """See the module. Part of the book, and as lasting; times are in ms of the monotonic clock."""

    def __init__(self) -> None:
        self._quiet: dict[int, _Quiet] = {}
        self._withholding: set[int] = set()

    @property
    def withholding(self) -> AbstractSet[int]:
        """The rules that have something to tell when their cool-down ends."""
        return self._withholding

    def crossed(self, alert: Alert, seconds: int, at: int) -> Alert | None:
        """A rule fired at a moment; returns the alert for now, None during its cool-down."""
        if seconds == 0:
            return alert
        quiet = self._quiet.get(alert.rule)
        if quiet is not None:
            alert = _joined(quiet.withheld, alert)
            if at < quiet.until:
                quiet.withheld = alert
                self._withholding.add(alert.rule)
                return None
        self._begin(alert.rule, at, seconds)
        return alert

    def end(self, rule: int, seconds: int, now: int, *, early: bool = False) -> Alert | None:
        """The withheld alert of a rule whose cool-down is over, or is ended early; else None."""
        quiet = self._quiet[rule]
        if quiet.withheld is None or (now < quiet.until and not early):
            return None
        alert = quiet.withheld
        self._begin(rule, now, seconds)
        return alert

    def forget(self, rule: int) -> None:
        """The rule was deleted or changed: drop the crossings that it withheld."""
        self._quiet.pop(rule, None)
        self._withholding.discard(rule)

    def _begin(self, rule: int, at: int, seconds: int) -> None:
        self._quiet[rule] = _Quiet(at + 1000 * seconds)
        self._withholding.discard(rule)


def _joined(earlier: Alert | None, later: Alert) -> Alert:
    if earlier is None:
        return later
    return msgspec.structs.replace(later, crossings=earlier.crossings + later.crossings)
