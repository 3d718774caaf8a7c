"""When clients should be sent here, by what the tables say."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from stockstream import paths
from stockstream.messages import (
    CircuitState,
    CircuitStatus,
    DatabaseStatus,
    FeedState,
    FeedStatus,
    RecorderStatus,
)
from stockstream.tables import CIRCUIT, DATABASE, FEED, RECORDER, Tables
from supervision.context import current_cell
from web.health import OPEN_TOO_LONG_MS, readiness

NOON = 1_795_348_800_000


def tables_with(as_of: int | None, circuit: CircuitStatus | None = None) -> Tables:
    tables = Tables()
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.STREAMER)))
    tables.feed.put(FEED, FeedStatus(FeedState.LIVE, as_of, 1.0, True, "why"))
    current_cell.set(cast("Any", SimpleNamespace(path=paths.CIRCUIT_BREAKER)))
    if circuit is not None:
        tables.circuit.put(CIRCUIT, circuit)
    current_cell.reset(token)
    return tables


def test_before_the_first_fetch_it_is_not_ready() -> None:
    """Neither without a feed nor with one that has brought nothing."""
    assert not readiness(Tables(), NOON)[0]
    is_ready, checks = readiness(tables_with(None), NOON)
    assert not is_ready
    assert checks["feed"] == {"ok": False, "state": "live", "as_of": None, "reason": "why"}


@pytest.mark.parametrize("state", list(CircuitState))
@pytest.mark.parametrize("seconds", [0, 59, 61, 7200])
def test_a_breaker_that_is_not_closed_may_stand_so_for_a_minute(
    state: CircuitState, seconds: int
) -> None:
    """Since the last success: one that probes in vain begins a new state every few seconds."""
    circuit = CircuitStatus(state, since=NOON - 1000)
    is_ready, checks = readiness(tables_with(NOON - seconds * 1000, circuit), NOON)
    assert is_ready == (state is CircuitState.CLOSED or seconds * 1000 <= OPEN_TOO_LONG_MS)
    breaker = cast("dict[str, object]", checks["circuit_breaker"])
    assert breaker["ok"] == is_ready
    assert breaker["open_seconds"] == (0 if state is CircuitState.CLOSED else seconds)


@pytest.mark.parametrize("alert", [None, "7 ticks were lost"])
def test_a_loss_of_long_ago_is_told_and_is_no_trouble(alert: str | None) -> None:
    """History is well without an alert, and still says how many ticks were lost, and when."""
    tables = Tables()
    recorder = RecorderStatus(lost=5, dropped=2, lost_at=NOON, alert=alert)
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.DATABASE)))
    tables.database.put(DATABASE, DatabaseStatus(True, "", NOON, {}, 0, 0))
    current_cell.set(cast("Any", SimpleNamespace(path=paths.RECORDER)))
    tables.recorder.put(RECORDER, recorder)
    current_cell.reset(token)
    history = cast("dict[str, object]", readiness(tables, NOON)[1]["history"])
    assert history["ok"] is (alert is None)
    assert history["reason"] == alert
    assert history["recorder"] == recorder
