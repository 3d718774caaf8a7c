"""The limit of open files of this process, which limits the number of its clients."""

from __future__ import annotations

import resource

SPARE = 1_500
"""Files beside the clients': HTTP connections and refusals (`web`), listening sockets, the price
API's pool, the database, logs."""
SPARE_PART = 4
"""Where few are allowed, the spare ones are this part of them."""


def raise_limit() -> int | None:
    """Raise the limit of open files as far as this process may; the limit, None for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft  # macOS: without a hard limit there is another one, which nobody tells
    return None if hard == resource.RLIM_INFINITY else hard


def most_clients(wanted: int, limit: int | None) -> int:
    """How many of `wanted` clients there is room for under a limit of open files."""
    if limit is None:
        return wanted
    return max(1, min(wanted, limit - min(SPARE, limit // SPARE_PART)))
