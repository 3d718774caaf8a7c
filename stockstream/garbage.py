"""Python's collector of cyclic garbage, set for a process of very many long-lived objects.

A full collection looks at all of them, and everybody waits: at four thousand clients that is a
quarter of a second, at ten thousand more than half of one. So it is to be rare, which is harmless
where little garbage grows old: neither a client that has left nor an actor that was stopped or
killed leaves anything in a cycle.
"""

from __future__ import annotations

import gc

YOUNG_THRESHOLD = 500
"""Objects more than went: enough to be looked through in a moment that costs nobody anything."""
THRESHOLDS = (2_000, 0, 4_000)
"""A client is 160 objects that the collector knows. With the usual (700, 10, 10) a full collection
may come after 430 clients, and one among 7,000 objects, which takes 10 ms and more, after 48. With
these it stops whoever runs only after two thousand without a good moment, and looks at each object
once or twice before it leaves it to a full collection. One of those comes after two million: more
than the clients of a node have together, or what 30,000 requests of pages and of the API leave in
cycles, nearly all of which has been found by then."""


def settle() -> None:
    """Call once everything has started: what is there now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def sweep() -> None:
    """Call when nobody waits: look for young garbage now, and not in the midst of the next batch.

    Left alone, the collector comes while new rows are made, because that is what makes the count
    rise, and stops a batch on its way for 3 to 5 ms: young are not only the new rows, but also what
    has replaced old ones since the last time, and the count does not tell those.
    """
    if gc.get_count()[0] > YOUNG_THRESHOLD:
        gc.collect(1)
