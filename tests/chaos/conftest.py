"""What chaos tests share: a seed that is told, what was published, and who is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream import paths
from stockstream.tables import Batch, Outbox
from tests.chaos.support import chosen_seed
from tests.support.dashboards import Dashboard
from tests.support.deep import only_deep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def seed() -> int:
    return chosen_seed()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """All batches that are published for the recorder, as they are."""
    found: list[Batch] = []
    append = Outbox.append

    def witnessed(outbox: Outbox, rows: Sequence[object], *, own: bool = True) -> Batch:
        batch = append(outbox, rows, own=own)
        if outbox._acknowledges.writer == paths.RECORDER:  # the alerts have one of their own
            found.append(batch)
        return batch

    monkeypatch.setattr(Outbox, "append", witnessed)
    return found


@pytest.fixture(params=["open", pytest.param("login", marks=only_deep("does it with logins, too"))])
def dashboard(request: pytest.FixtureRequest, tmp_path: Path) -> Dashboard:
    """An open one, as ever, and one that takes a login, which has a database of its own."""
    if request.param == "open":
        return Dashboard(takes_login=False, folder=tmp_path)
    url = request.getfixturevalue("database_url")
    return Dashboard(takes_login=True, folder=tmp_path, database_url=url)
