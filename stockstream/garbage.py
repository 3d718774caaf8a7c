"""Python's collector of cyclic garbage, set for a process of very many long-lived objects.

A full collection looks at all of them, and everybody waits: at ten thousand clients that is half a
second. It is due when so much has come that a storm of clients has one after another.
"""

from __future__ import annotations

import gc

THRESHOLDS = (2_000, 10, 25)
"""A client is 160 objects that the collector knows. With the usual (700, 10, 10) every fourth
handshake is a collection, and a full one may come after 430. With these it comes after half a
million objects; one among 20,000, which takes 10 ms, is the longest of the others. A client that
has left leaves 90 of its objects in cycles, some 10 KB: they are 50 MB before they are found."""


def settle() -> None:
    """Call once everything has started: what is there now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
