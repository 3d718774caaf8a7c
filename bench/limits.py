"""What the limits of requests cost each of them: `python -m bench.limits`, some seconds."""

from __future__ import annotations

import itertools
import sys
import time
import timeit
from typing import TYPE_CHECKING

from werkzeug.datastructures import Headers

from stockstream import part_settings
from stockstream.config import Settings
from web.cookies import Instance, read_cookies
from web.users.browser_users import BrowserUsers

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, TIMES = 3, 100_000


def main() -> None:
    """Measure the CPU of each part by itself: the best of three rounds."""
    limits = part_settings.throttles(Settings()).requests
    users = BrowserUsers("a secret of the right length for this", Instance("a1b2c3d4e5f6"))
    headers = Headers([("Cookie", f"{users.cookie_name}={users.new()}")])
    clock = itertools.count(0.0, 0.1)

    def count(user: str | None) -> None:
        standing = limits.take("192.0.2.1", user, next(clock))
        limits.policy(standing)
        standing.header()

    parts: dict[str, Callable[[], object]] = {
        "count a request by address, and say so": lambda: count(None),
        "count it by user, too": lambda: count("somebody"),
        "read the user's cookie": lambda: users.user_of(read_cookies(headers)),
    }
    for name, part in parts.items():
        seconds = (
            min(timeit.repeat(part, timer=time.thread_time, number=TIMES, repeat=ROUNDS)) / TIMES
        )
        sys.stdout.write(f"{seconds * 1e6:6.2f} µs  {name}\n")


if __name__ == "__main__":
    main()
