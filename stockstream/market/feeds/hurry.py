"""What came of an operator's wish that a feed should not wait for its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.messages import Hurried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.market.feeds.kept_line import KeptLine
    from stockstream.statuses import FeedStatus


def hurried(row: FeedStatus | None, started: float) -> Hurried:
    """What a round that `started` then has brought, by the feed's row."""
    if row is None:
        return Hurried(False, "it was not asked")
    if row.as_of is not None and row.as_of.seconds >= started:
        return Hurried(True, "prices were fetched")
    return Hurried(False, row.reason or "nothing came of it")


def hurry_lines(lines: Sequence[KeptLine]) -> Hurried:
    """Have lines that wait connect now."""
    there = sum(line.open is not None for line in lines)
    wanted = [line for line in lines if line.wanted]
    if not wanted:
        return Hurried(False, "nobody wants a price of it here now")
    waiting = [line for line in wanted if line.open is None]
    for line in waiting:
        line.hurry()
    if not waiting:
        return Hurried(True, f"connected ({there} of {len(lines)}); prices come by themselves")
    return Hurried(True, f"{len(waiting)} of {len(lines)} connections are made now")
