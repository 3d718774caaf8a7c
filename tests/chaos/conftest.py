"""What chaos tests of the history share: a seed that is told, and what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream import paths
from stockstream.tables import Batch, Outbox
from tests.chaos.support import chosen_seed

if TYPE_CHECKING:
    from collections.abc import Sequence


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
