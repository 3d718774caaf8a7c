"""How old prices are when they are accepted, by the provider's own time; by upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.statuses import QuoteRow
    from supervision import Table

AGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class QuoteAges:
    """See the module. Used by the streamer only, which may write the rows."""

    def __init__(self, rows: Table[str, Histogram]) -> None:
        self._rows = rows

    def accepted(self, upstream: str, rows: Iterable[QuoteRow]) -> None:
        """Count new prices of an upstream. One whose clock is ahead tells prices of no age."""
        ages = self._rows.get(upstream)
        if ages is None:
            ages = Histogram(AGE_SECONDS)
            self._rows.put(upstream, ages)
        for row in rows:
            age = row.quote.received - row.quote.timestamp
            ages.add(age / 1000 if age > 0 else 0.0)
