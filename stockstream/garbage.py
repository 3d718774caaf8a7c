"""Python's collector of cyclic garbage, set for a process of very many long-lived objects.

A full collection looks at all of them, and everybody waits: at four thousand clients that is a
quarter of a second, at ten thousand more than half of one. So it is to be rare, which is harmless
where little garbage grows old: neither a client that has left nor an actor that was stopped or
killed leaves anything in a cycle.
"""

from __future__ import annotations

import gc

THRESHOLDS = (500, 3, 1_000)
"""A client is 160 objects that the collector knows. With the usual (700, 10, 10) a full collection
may come after 430 clients, and one among 7,000 objects, which takes 10 ms and more, after 48. With
these the longest of those that are frequent is among 2,000. A full one comes after two million:
more than the clients of a node have together, or what 30,000 requests of pages and of the API leave
in cycles, nearly all of which has been found by then."""


def settle() -> None:
    """Call once everything has started: what is there now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
