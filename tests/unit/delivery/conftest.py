"""Fixtures: leave to write what the broadcaster owns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from stockstream import paths
from stockstream.delivery.lanes import Connections
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.cell import Cell


@pytest.fixture
def connections() -> Iterator[Connections]:
    """An empty table of connections, which the test may write as the broadcaster would."""
    token = current_cell.set(cast("Cell", SimpleNamespace(path=paths.BROADCASTER)))
    yield Connections()
    current_cell.reset(token)
