"""Outage switches: make the whole stub API fail the way real ones do. Pure."""

import random
from dataclasses import asdict, dataclass, replace
from enum import Enum

from mockserver.delays import MAX_DELAY_MILLISECONDS
from mockserver.faults import Fault, read_fault
from mockserver.json_types import Json
from mockserver.problems import Reader
from mockserver.responses import Answer, text_answer


@dataclass(frozen=True, slots=True)
class Outage:
    """What is switched on. Rates are shares of the requests, from 0 to 1."""

    down: bool = False
    """Every connection is reset, as if nothing ran here."""
    error_rate: float = 0.0
    """Answered with `error_status` instead."""
    error_status: int = 503
    latency_milliseconds: int = 0
    """Added to every answer."""
    fault_rate: float = 0.0
    """Broken with `fault` instead."""
    fault: Fault = Fault.CONNECTION_RESET_BY_PEER

    @property
    def active(self) -> bool:
        """Whether anything is disturbed."""
        return bool(self.down or self.error_rate or self.fault_rate or self.latency_milliseconds)

    def disturb(self, answer: Answer, dice: random.Random) -> Answer:
        """What becomes of `answer`."""
        if not self.active:
            return answer
        late = answer.delay_seconds + self.latency_milliseconds / 1000
        if self.down:
            return replace(answer, fault=Fault.CONNECTION_RESET_BY_PEER, delay_seconds=0.0)
        # One throw decides between fault and error, so that their rates add up as they are set.
        thrown = dice.random()
        if thrown < self.fault_rate:
            return replace(answer, fault=self.fault, delay_seconds=late)
        if thrown < self.fault_rate + self.error_rate:
            error = text_answer(self.error_status, "This stub API is switched to answer errors.\n")
            return replace(error, delay_seconds=late)
        return replace(answer, delay_seconds=late)

    def as_json(self) -> dict[str, Json]:
        """As the admin API shows it."""
        values = {name: _plain(value) for name, value in asdict(self).items()}
        return {_FIELDS[name]: value for name, value in values.items()}


_FIELDS = {
    "down": "down",
    "error_rate": "errorRate",
    "error_status": "errorStatus",
    "latency_milliseconds": "latencyMilliseconds",
    "fault_rate": "faultRate",
    "fault": "fault",
}


def _plain(value: object) -> Json:
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, (bool, int, float, str)) else None


def read_outage(value: Json) -> Outage:
    """The switches in `value`; those it does not name are off. Raises `FieldError`."""
    root = Reader(value, (), [])
    members = root.object()
    for name, field in members.items():
        if name not in _FIELDS.values():
            raise field.fail(f"no such switch; there are {', '.join(_FIELDS.values())}")
    off = Outage()
    outage = Outage(
        down=members["down"].flag() if "down" in members else off.down,
        error_rate=members["errorRate"].number(0, 1) if "errorRate" in members else 0.0,
        error_status=(
            members["errorStatus"].whole(400, 599) if "errorStatus" in members else off.error_status
        ),
        latency_milliseconds=(
            members["latencyMilliseconds"].whole(0, MAX_DELAY_MILLISECONDS)
            if "latencyMilliseconds" in members
            else 0
        ),
        fault_rate=members["faultRate"].number(0, 1) if "faultRate" in members else 0.0,
        fault=read_fault(members["fault"]) if "fault" in members else off.fault,
    )
    if outage.error_rate + outage.fault_rate > 1:
        raise root.fail("errorRate and faultRate together are more than 1")
    return outage
