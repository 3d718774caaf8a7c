"""Which node should fetch a part: rendezvous hashing, the highest random weight."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=4096)
def preferred(part: str, names: frozenset[str]) -> str | None:
    """The node of `names` that should fetch a part; None where there is none.

    When one comes or goes, only about 1/n of the parts change nodes.
    """
    return max(names, key=lambda name: (_weight(part, name), name), default=None)


def _weight(part: str, name: str) -> bytes:
    return blake2b(f"{part}|{name}".encode(), digest_size=8).digest()
