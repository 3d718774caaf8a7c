"""Which upstreams this node should leave to others: those whose breaker has opened here (N11).

The way to the upstream may be broken here, and not the upstream. So for a while another node should
fetch from it; when all have found it broken, all may try. Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.statuses import CircuitState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.statuses import CircuitStatus
    from stockstream.times import Moment

FIRST_SECONDS = 30.0
LONGEST_SECONDS = 600.0


@dataclass(slots=True)
class _Opening:
    since: Moment
    seconds: float
    until: float


class Fitness:
    """Remembers the openings of each upstream's breaker, by the upstream's name."""

    def __init__(self) -> None:
        self._openings: dict[str, _Opening] = {}

    def unfit(self, circuits: Mapping[str, CircuitStatus], now: float) -> frozenset[str]:
        """The upstreams not to fetch from; `now` is trio's clock.

        Each opening in a row lasts twice as long as the last, and one lasts for as long as the
        breaker itself would not let a call through.
        """
        for upstream, circuit in circuits.items():
            known = self._openings.get(upstream)
            if circuit.state is CircuitState.CLOSED:
                self._openings.pop(upstream, None)
            elif circuit.state is CircuitState.OPEN and (
                known is None or known.since != circuit.since
            ):
                longer = FIRST_SECONDS if known is None else known.seconds * 2
                seconds = min(longer, LONGEST_SECONDS)
                self._openings[upstream] = _Opening(circuit.since, seconds, now + seconds)
        return frozenset(
            upstream
            for upstream, opening in self._openings.items()
            if now < opening.until or _is_shut(circuits.get(upstream), now)
        )


def _is_shut(circuit: CircuitStatus | None, now: float) -> bool:
    if circuit is None or circuit.state is not CircuitState.OPEN:
        return False
    return circuit.next_probe is None or circuit.next_probe.seconds > now
