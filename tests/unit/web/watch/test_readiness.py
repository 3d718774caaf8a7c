"""When clients should be sent here, by what the tables say."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio

from stockstream import paths
from stockstream.history.progress import RecorderDocument
from stockstream.shards import NodeId
from stockstream.statuses import (
    CircuitState,
    CircuitStatus,
    DatabaseStatus,
    FeedState,
    FeedStatus,
    Members,
    NodeState,
    RecorderStatus,
)
from stockstream.tables import Tables
from stockstream.times import Moment
from supervision.context import current_cell
from web.readiness import OPEN_TOO_LONG_SECONDS, readiness

NOON = 1_795_348_800_000


def tables_with(as_of: Moment | None, circuit: CircuitStatus | None = None) -> Tables:
    tables = Tables()
    put(tables, "api", as_of, circuit)
    return tables


def put(
    tables: Tables, upstream: str, as_of: Moment | None, circuit: CircuitStatus | None = None
) -> None:
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.feed(upstream))))
    tables.feeds.put(upstream, FeedStatus(FeedState.LIVE, as_of, 1.0, True, "why"))
    current_cell.set(cast("Any", SimpleNamespace(path=paths.circuit_breaker(upstream))))
    if circuit is not None:
        tables.circuits.put(upstream, circuit)
    current_cell.reset(token)


async def test_before_the_first_fetch_it_is_not_ready() -> None:
    """Neither without a feed nor with one that has brought nothing."""
    assert not readiness(Tables(), NOON)[0]
    is_ready, checks = readiness(tables_with(None), NOON)
    assert not is_ready
    assert checks["feed"] == {"ok": False, "state": "down", "as_of": None, "reason": "why"}


async def test_one_upstream_that_is_well_is_enough_and_each_is_told() -> None:
    """Clients are told the worst; without the bad one there are still some prices here."""
    tables = tables_with(Moment.now(), CircuitStatus(CircuitState.CLOSED, since=Moment.now()))
    long_ago = Moment.now().after(-OPEN_TOO_LONG_SECONDS - 1)
    put(tables, "other", long_ago, CircuitStatus(CircuitState.OPEN, since=long_ago))
    is_ready, checks = readiness(tables, NOON)
    assert is_ready
    upstreams = cast("dict[str, dict[str, Any]]", checks["upstreams"])
    assert {name: check["ok"] for name, check in upstreams.items()} == {"api": True, "other": False}
    assert upstreams["other"]["circuit_breaker"]["state"] == "open"
    assert upstreams["api"]["circuit_breaker"]["state"] == "closed"
    assert cast("dict[str, Any]", checks["feed"])["reason"] == "other: why"
    assert not cast("dict[str, Any]", checks["circuit_breaker"])["ok"]
    put(tables, "api", None)
    assert not readiness(tables, NOON)[0], "and with none that is well it is not"


@pytest.mark.parametrize("state", list(CircuitState))
@pytest.mark.parametrize("seconds", [0, 59, 61, 7200])
async def test_a_breaker_that_is_not_closed_may_stand_so_for_a_minute(
    state: CircuitState, seconds: int
) -> None:
    """Since the last success: one that probes in vain begins a new state every few seconds."""
    circuit = CircuitStatus(state, since=Moment.now().after(-1.0))
    is_ready, checks = readiness(tables_with(Moment.now().after(-seconds), circuit), NOON)
    assert is_ready == (seconds <= OPEN_TOO_LONG_SECONDS)
    breaker = cast("dict[str, object]", checks["circuit_breaker"])
    assert breaker["ok"] == (state is CircuitState.CLOSED or is_ready)
    assert breaker["open_seconds"] == pytest.approx(
        0 if state is CircuitState.CLOSED else seconds, abs=0.5
    )


async def test_a_feed_that_is_gone_for_good_is_not_ready_after_a_minute(
    autojump_clock: object,
) -> None:
    """Nobody writes its row any more, which says that it is live, and its breaker is closed."""
    closed = CircuitStatus(CircuitState.CLOSED, since=Moment.now())
    tables = tables_with(Moment.now(), closed)
    await trio.sleep(60)
    assert readiness(tables, NOON)[0]
    await trio.sleep(0.1)
    is_ready, checks = readiness(tables, NOON)
    assert not is_ready
    assert cast("dict[str, object]", checks["feed"])["state"] == "down"


@pytest.mark.parametrize("alert", [None, "7 ticks were lost"])
async def test_a_loss_of_long_ago_is_told_and_is_no_trouble(
    alert: str | None, autojump_clock: object
) -> None:
    """History is well without an alert, and still says how many ticks were lost, and when."""
    lost_at = Moment.now()
    await trio.sleep(60)
    history = history_of(RecorderStatus(lost=5, dropped=2, lost_at=lost_at, alert=alert))
    assert history["ok"] is (alert is None)
    assert history["reason"] == alert
    assert history["recorder"] == RecorderDocument(
        lost=5, dropped=2, lost_at=NOON - 60_000, alert=alert
    )


@pytest.mark.proves("H22")
async def test_ten_seconds_behind_is_trouble(autojump_clock: object) -> None:
    """By the monotonic clock, whatever the wall clock says of the prices that wait."""
    since = Moment.now()
    behind = RecorderStatus(
        spooled=8, spooled_since=NOON + 3_600_000, behind_since=since, trouble="read-only"
    )
    await trio.sleep(10)
    assert history_of(behind)["ok"]
    await trio.sleep(0.1)
    history = history_of(behind)
    assert not history["ok"]
    assert history["reason"] == "prices are not recorded, they wait: read-only"
    assert history["lag_seconds"] == 0
    catching_up = msgspec.structs.replace(behind, trouble=None, spooled_since=NOON - 12_000)
    history = history_of(catching_up)
    assert history["reason"] == "8 batches that waited on disk are being recorded"
    assert history["lag_seconds"] == 12


def history_of(recorder: RecorderStatus) -> dict[str, object]:
    tables = Tables()
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.DATABASE)))
    tables.database.put(DatabaseStatus(True, "", Moment.now(), {}, 0, 0))
    current_cell.set(cast("Any", SimpleNamespace(path=paths.RECORDER)))
    tables.recorder.put(recorder)
    current_cell.reset(token)
    return cast("dict[str, object]", readiness(tables, NOON)[1]["history"])


@pytest.mark.proves("N1", "N8")
@pytest.mark.parametrize(
    ("state", "takes_clients"),
    [
        (NodeState.READY, True),
        (NodeState.ALONE, True),
        (NodeState.JOINING, False),
        (NodeState.STANDING_BY, False),
    ],
)
async def test_a_node_of_a_cluster_takes_clients_as_it_takes_part(
    state: NodeState, takes_clients: bool
) -> None:
    """One that is alone goes on with its own prices, and tells that it is."""
    tables = tables_with(Moment.now(), CircuitStatus(CircuitState.CLOSED, since=Moment.now()))
    assert "cluster" not in readiness(tables, NOON)[1]
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.MEMBERSHIP)))
    tables.members.put(Members(NodeId("box-1", 1), state, (), {}, Moment.now().after(-9), 0.002))
    current_cell.reset(token)
    is_ready, checks = readiness(tables, NOON)
    assert is_ready is takes_clients
    check = cast("dict[str, Any]", checks["cluster"])
    assert (check["ok"], check["state"]) == (state is NodeState.READY, state)
    assert check["echo_age_seconds"] == pytest.approx(9, abs=0.5)
