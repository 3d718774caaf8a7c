"""Whether the wall clock may be believed when it says that history is old (H25).

Dropped rows are gone for good, and a clock that starts a year ahead makes all rows old. So the
clock is compared with the recorded prices, which come day by day. A clock that is far past the
newest price, or jumped far past it not long ago, may be wrong. Then a second source has to agree
with it: an upstream on another machine, or an operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.history import partitions
from stockstream.quotes import iso_utc
from stockstream.times import DAY_MS, HOUR_MS, to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection
    from stockstream.statuses import UpstreamClock

LONGEST_GAP_MS = 48 * HOUR_MS
"""A weekend without a market is longer; then the upstream is asked, which usually answers."""
AGREES_MS = HOUR_MS

# Rows are only ever appended, so the first and the last pages tell the first and the last time.
# The very last ones may be empty: COPY makes some in advance.
_ENDS = """
SELECT (SELECT min(received) FROM {partition} WHERE ctid < '(1,0)'),
    coalesce((SELECT max(received) FROM {partition} WHERE ctid >= {near_the_end}),
        (SELECT max(received) FROM {partition}))
"""
_NEAR_THE_END = """
SELECT format('(%s,0)', greatest(pg_relation_size($1::text::regclass)
    / current_setting('block_size')::int - 1024, 0))
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The newest period of recorded prices without a gap of over 48 h; in ms since 1970.

    `before` is the last that was recorded before that gap, None where there is none.
    """

    first: int
    last: int
    before: int | None


@dataclass(frozen=True, slots=True)
class FetchRecorded(Query[Recorded | None]):
    """The newest stretch that was recorded by `now`; None when nothing is."""

    now: int
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Recorded | None:
        """Look at a page at each end of the partitions, from the newest one back to a gap."""
        found: Recorded | None = None
        for partition in reversed(await partitions.children(connection, "ticks")):
            day = partitions.day_of(partition)
            if day is None or day * DAY_MS > self.now:
                continue  # recorded while the clock was ahead; it was set back since
            near_the_end = await connection.fetchval(_NEAR_THE_END, partition)
            query = _ENDS.format(partition=partition, near_the_end=f"'{near_the_end}'")
            ends = await connection.fetchrow(query)
            if ends is None or ends[0] is None or ends[1] is None:
                continue
            first, last = to_ms(ends[0]), to_ms(ends[1])
            if found is None:
                found = Recorded(first, last, None)
            elif found.first - last > LONGEST_GAP_MS:
                return Recorded(found.first, found.last, last)
            else:
                found = Recorded(first, found.last, None)
        return found


def doubt(now: int, recorded: Recorded | None) -> str | None:
    """Why the clock, which says `now`, may be wrong; None when the recorded prices reach `now`.

    A clock is believed after two days of prices behind a gap: somebody would have corrected it.
    """
    if recorded is None:
        return None
    before = recorded.before
    if now - recorded.last > LONGEST_GAP_MS:
        before = recorded.last
    elif before is None or now - recorded.first > LONGEST_GAP_MS:
        return None
    return (
        f"this machine's clock says {iso_utc(now)}, and what was recorded before ends at "
        f"{iso_utc(before)}: the clock may be wrong"
    )


def agrees(clock: UpstreamClock, now: int, steady: int) -> bool:
    """Whether an upstream agrees with our clock, as it is `now`, when the monotonic one says that.

    It did so at some time of this process; whether ours has been set since is seen from the other.
    """
    return clock.agreed is not None and abs(now - steady - clock.agreed) <= AGREES_MS
