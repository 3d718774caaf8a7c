"""What may be switched on to make a provider's streams fail the way real ones do. Pure."""

from dataclasses import asdict, dataclass
from typing import Final

from mockserver.delays import MAX_DELAY_MILLISECONDS
from mockserver.json_types import Json
from mockserver.problems import Reader, given

MUTES: Final = ("prices", "all")


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """For all connections of one provider, those that are open too."""

    mute: str | None = None
    """`prices`: none are told any more, while answers and heartbeats go on; `all`: nothing is."""
    delay_milliseconds: int = 0
    """Each frame comes so much later."""
    garbage: float = 0.0
    """The share of frames that are no JSON."""
    limit: int | None = None
    """So many connections at once, and none beside them."""

    def as_json(self) -> dict[str, Json]:
        """As the admin API shows them."""
        return {_FIELDS[name]: value for name, value in asdict(self).items()}


_FIELDS = {
    "mute": "mute",
    "delay_milliseconds": "delayMilliseconds",
    "garbage": "garbage",
    "limit": "limit",
}


def read_stream_faults(value: Json) -> StreamFaults:
    """The faults in `value`; those it does not name are off. Raises `FieldError`."""
    members = Reader(value, (), []).object()
    for name, field in members.items():
        if name not in _FIELDS.values():
            raise field.fail(f"no such switch; there are {', '.join(_FIELDS.values())}")
    mute, limit = given(members, "mute"), given(members, "limit")
    if mute is not None and mute.value not in MUTES:
        raise mute.fail(f"expected one of {', '.join(MUTES)}")
    delay, garbage = given(members, "delayMilliseconds"), given(members, "garbage")
    return StreamFaults(
        None if mute is None else mute.text(),
        0 if delay is None else delay.whole(0, MAX_DELAY_MILLISECONDS),
        0.0 if garbage is None else garbage.number(0, 1),
        None if limit is None else limit.whole(0, 100_000),
    )
