"""The telemetry actor, and what it writes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import trio

from stockstream.build import Build, this_build
from stockstream.telemetry.event_log import EventLog
from stockstream.telemetry.log_levels import LendLevel, LoggerRow, LogLevels, TakeBackLevel
from stockstream.telemetry.process import ProcessHistory, Sampler
from stockstream.telemetry.tally import Tally
from supervision import Actor, handles

if TYPE_CHECKING:
    from stockstream.run_record import PastRun

SAMPLE_SECONDS = 1.0
LAG_SECONDS = 0.1
"""How often the lag of the run loop is measured. A stall shorter than that may go unseen."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The records for operators. Made by `application.py`; survives every actor.

    `before` is the last run of this node, None where none is known.
    """

    before: PastRun | None = None
    events: EventLog = field(default_factory=EventLog)
    tally: Tally = field(default_factory=Tally)
    process: ProcessHistory = field(default_factory=ProcessHistory)
    levels: LogLevels = field(default_factory=LogLevels)
    build: Build = field(default_factory=this_build)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Time to take a sample."""


class TelemetryActor(Actor):
    """First child of the root: has the event log listen, samples the process's figures, and lends
    levels to loggers.
    """

    owns_tasks: ClassVar[bool] = True

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._sampler = Sampler()
        self._lag = 0.0

    async def init(self) -> None:
        """Listen from now on; the log goes on listening after this actor's death."""
        self._telemetry.events.attach(self.system)
        self._telemetry.tally.attach(self.system)
        self.tasks.start_soon(self._measure_lag)
        self._sample(_Sample())
        self.send_every(SAMPLE_SECONDS, _Sample())

    async def _measure_lag(self) -> None:
        while True:
            due = trio.current_time() + LAG_SECONDS
            await trio.sleep_until(due)
            late = trio.current_time() - due
            self._telemetry.process.late(late)
            self._lag = max(self._lag, late)

    @handles(_Sample)
    def _sample(self, _message: _Sample) -> None:
        lag, self._lag = self._lag, 0.0
        self._telemetry.process.add(self._sampler.sample(lag))
        self._telemetry.events.tell_the_rest()
        self._telemetry.levels.end_due()

    @handles(LendLevel)
    def _lend(self, request: LendLevel) -> LoggerRow:
        return self._telemetry.levels.lend(request)

    @handles(TakeBackLevel)
    def _take_back(self, request: TakeBackLevel) -> LoggerRow:
        return self._telemetry.levels.take_back(request)
