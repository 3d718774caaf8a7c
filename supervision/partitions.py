"""One child spec, several children, and a key that leads to one: Elixir's `PartitionSupervisor`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from .errors import NoProc, SpecError
from .policy import Backoff, Restart, Strategy
from .spec import ChildSpec, Flags, Kind
from .supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .actor import Actor
    from .ref import ActorRef


class PartitionSupervisor(Supervisor):
    """Starts the children `0` to `partitions - 1`, each with its number as first argument."""

    def __init__(self, specs: tuple[ChildSpec, ...], flags: Flags) -> None:
        super().__init__(specs, flags)
        self.partitions = len(specs)


def partition_supervisor(
    child_id: str,
    start: Callable[..., Actor],
    *,
    partitions: int,
    args: tuple[Any, ...] = (),
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: int = 3,
    period: float = 5.0,
    backoff: Backoff | None = None,
    restart: Restart = Restart.PERMANENT,
    shutdown: float | Literal["brutal_kill"] | None = None,
    name: str | None = None,
) -> ChildSpec:
    """The spec of a supervisor of `partitions` children, each made by `start(number, *args)`.

    Raises:
        SpecError: `invalid_partitions`, or what is wrong with the other settings.
    """
    if isinstance(partitions, bool) or not isinstance(partitions, int) or partitions < 1:
        raise SpecError("invalid_partitions", f"{partitions!r} is not an int of 1 or more")
    flags = Flags(strategy, intensity, period, backoff=backoff)
    specs = tuple(ChildSpec(str(number), start, (number, *args)) for number in range(partitions))
    return ChildSpec(
        child_id,
        partial(PartitionSupervisor, specs, flags),
        restart=restart,
        shutdown=shutdown,
        kind=Kind.SUPERVISOR,
        name=name,
    )


def partition_of(key: Hashable, partitions: int) -> int:
    """Which of so many partitions a key leads to. Pure; the same key, the same number.

    Numbers are taken modulo, text and bytes by their CRC-32, which is the same in every process;
    anything else by its hash.
    """
    if isinstance(key, float) and key.is_integer():
        key = int(key)  # equal keys, one partition: the hashes of -1.0 and of -2.0 are the same
    if isinstance(key, int):
        return abs(key) % partitions
    if isinstance(key, str):
        key = key.encode(errors="surrogatepass")
    return (crc32(key) if isinstance(key, bytes) else hash(key)) % partitions


def partition(supervisor: ActorRef, key: Hashable) -> ActorRef:
    """The partition that `key` leads to, by name: the same for as long as their number stays.

    Raises:
        NoProc: `supervisor` is not there, or it is no partition supervisor.
    """
    found = supervisor.locate()
    actor = None if found is None or found.ended else found.actor
    if found is None or not isinstance(actor, PartitionSupervisor):
        raise NoProc(supervisor.path)
    return found.system.ref(actor.child_path(str(partition_of(key, actor.partitions))))
