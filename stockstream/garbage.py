"""Python's collector of cyclic garbage, set for a process of very many long-lived objects.

A full collection visits all of them, and all tasks wait: a quarter of a second at four thousand
clients, more than half a second at ten thousand. So it must be rare. That is harmless because
little garbage grows old: a client that has left, or an actor that was stopped or killed, leaves no
cycles.
"""

from __future__ import annotations

import gc

YOUNG_THRESHOLD = 500
"""New objects less freed ones: a number that a collection can visit in an idle moment."""
STARTING_THRESHOLD = 50_000
"""While modules are imported: their hundreds of thousands of objects stay, and are no garbage."""
THRESHOLDS = (2_000, 0, 4_000)
"""A client is 160 objects that the collector knows. With the usual (700, 10, 10) a full collection
may come after 430 clients, and one among 7,000 objects, which takes 10 ms and more, after 48. With
these it interrupts a running task only after two thousand objects without an idle moment, and
visits each object once or twice before it leaves it to a full collection. A full collection comes
after two million objects. That is more than all clients of a node have, or than 30,000 requests of
pages and of the API leave in cycles; nearly all of those have been found by then."""


def begin() -> None:
    """Call before anything large is imported."""
    gc.set_threshold(STARTING_THRESHOLD)


def settle() -> None:
    """Call once everything has started: the objects of now are never visited again."""
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
