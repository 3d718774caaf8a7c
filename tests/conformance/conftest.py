"""Fixtures of the tests of the runtime: virtual time, a tree that is cleared away, a probe.

`tests/unit/supervision` uses them too.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from tests.conformance.support import Probe, start_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conformance.support import Tree


HOMES = (Path(__file__).parent, Path(__file__).parents[1] / "unit/supervision")


def run_on_virtual_time(main: Callable[..., Awaitable[Any]], **options: Any) -> Any:
    """Like `trio.run`, with a clock that jumps when everybody waits."""
    return trio.run(main, **options | {"clock": MockClock(autojump_threshold=0)})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put every test that starts a tree on virtual time."""
    for item in items:
        if any(map(item.path.is_relative_to, HOMES)) and "start" in getattr(
            item, "fixturenames", ()
        ):
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time))


async def fail_in_the_end() -> None:
    """Turn a deadlock into a failure: virtual time comes here when nobody else waits for it."""
    await trio.sleep(86_000)
    pytest.fail("nothing happens any more, and the test still waits")


@pytest.fixture
def probe() -> Probe:
    """A record of what happened to obedient children."""
    return Probe()


@pytest.fixture
async def start(nursery: trio.Nursery) -> Callable[..., Awaitable[Tree]]:
    """Start a tree on virtual time."""
    nursery.start_soon(fail_in_the_end)
    return partial(start_tree, nursery)
