"""What readers of history are told of what it does not have yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from stockstream import paths
from stockstream.history.coverage import Recording, RecordingState, recording
from stockstream.quotes import iso_utc
from stockstream.statuses import DatabaseStatus, RecorderStatus
from stockstream.tables import Tables
from stockstream.times import Moment
from supervision.context import current_cell
from tests.support.gateway import quote_row

NOON = 1_795_348_800_000
CURRENT, BEHIND, DOWN = RecordingState


def written_by(path: str) -> Any:
    return current_cell.set(cast("Any", SimpleNamespace(path=path)))


def tables_with(*, up: bool = True, recorder: RecorderStatus | None = None) -> Tables:
    tables = Tables()
    token = written_by(paths.DATABASE)
    tables.database.put(DatabaseStatus(up, "" if up else "away", Moment.now(), {}))
    if recorder is not None:
        written_by(paths.RECORDER)
        tables.recorder.put(recorder)
    current_cell.reset(token)
    return tables


def publish(tables: Tables) -> None:
    token = written_by(paths.STREAMER)
    tables.outbox.append([quote_row("AAPL", 1, 150.0)])
    current_cell.reset(token)


@pytest.mark.proves("H22")
async def test_history_is_complete_up_to_the_oldest_price_that_waits(
    autojump_clock: object,
) -> None:
    """Seconds are usual; over ten it is behind, whatever the cause."""
    tables = tables_with(recorder=RecorderStatus())
    assert recording(tables, NOON) == Recording(CURRENT, iso_utc(NOON), 0.0)
    publish(tables)
    await trio.sleep(10)
    assert recording(tables, NOON) == Recording(CURRENT, iso_utc(NOON - 10_000), 10.0)
    await trio.sleep(1850)
    assert recording(tables, NOON) == Recording(BEHIND, iso_utc(NOON - 1_860_000), 1860.0)


@pytest.mark.proves("H22")
async def test_what_waits_on_disk_counts_and_so_does_a_backlog_that_a_clock_hides(
    autojump_clock: object,
) -> None:
    """A wall clock that was set back makes them look new; that they wait is told all the same."""
    waiting = RecorderStatus(spooled=8, spooled_since=NOON - 31 * 60_000)
    assert recording(tables_with(recorder=waiting), NOON).behind_seconds == 1860.0
    hidden = RecorderStatus(spooled=8, spooled_since=NOON + 60_000, behind_since=Moment.now())
    await trio.sleep(11)
    assert recording(tables_with(recorder=hidden), NOON).state is BEHIND


async def test_it_is_down_without_a_database_and_before_there_is_a_recorder() -> None:
    """Then nothing is recorded, even if nothing waits yet."""
    assert recording(Tables(), NOON).state is DOWN
    assert recording(tables_with(), NOON).state is DOWN
    assert recording(tables_with(up=False, recorder=RecorderStatus()), NOON).state is DOWN


@pytest.mark.proves("H14")
async def test_an_answer_of_a_replica_is_as_complete_as_the_replica(
    autojump_clock: object,
) -> None:
    """The later of the two counts: what is not recorded, or what has not come to the replica."""
    as_of = Moment.now()
    await trio.sleep(4)
    current = Recording(CURRENT, iso_utc(NOON), 0.0)
    assert current.on_replica(None, NOON) == current
    assert current.on_replica(as_of, NOON) == Recording(CURRENT, iso_utc(NOON - 4_000), 4.0)
    behind = Recording(BEHIND, iso_utc(NOON - 60_000), 60.0)
    assert behind.on_replica(as_of, NOON) == behind
    await trio.sleep(7)
    assert current.on_replica(as_of, NOON) == Recording(BEHIND, iso_utc(NOON - 11_000), 11.0)
    down = Recording(DOWN, iso_utc(NOON), 0.0)
    assert down.on_replica(as_of, NOON).state is DOWN
