"""The parent of several nodes: what it works out before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream.config import Settings
from stockstream.database.embedded.files import CONNECTIONS
from stockstream.nodes.tree import build, prepare
from stockstream.part_settings import database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("nodes", "pool"), [(2, 4), (8, 4), (2, 40), (64, 4)])
def test_postgres_takes_the_connections_of_all_nodes(
    nodes: int, pool: int, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And some for commands; for few nodes it is what a single one gets."""
    for name in ("PORT", "STUB_PORT"):
        monkeypatch.setenv(name, "0")
    settings = Settings(database_pool_size=pool)
    machine = prepare(settings, nodes)
    try:
        root = build(settings, machine)
    finally:
        machine.close()
    (postgres,) = [spec for spec in root.start.args[0] if spec.id == "postgres"]
    most = postgres.start.keywords["connections"]
    assert most >= nodes * database(settings).connections + 3
    assert most >= CONNECTIONS
    assert database(settings).connections == pool + 4
