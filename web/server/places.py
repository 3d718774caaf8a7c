"""Places for sockets: limits in all and per address; idle connections are closed for new ones."""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Protocol

from .hosts import read_address
from .requests import Refusal

if TYPE_CHECKING:
    from .config import ServerConfig

__all__ = ["Guest", "Place", "Places"]

_STANDING = 256
_STANDING_PER_HOLDER = 16
"""Connections over a limit that get an answer; it costs a task each."""
_TRIES = 32
"""So many of the longest idle are asked to leave. One stays only if it has begun to send."""

_RETRY_AFTER = (b"retry-after", b"5")  # seconds until a client that met a full server tries again


class Guest(Protocol):
    """A connection that has a place."""

    def leave_place(self) -> bool:
        """Close now, and return True; False when the client has said something."""


class Place:
    """One connection's place, until it calls `leave`.

    A place with a `refusal` is a standing one: its connection only gets the refusal, or the answer
    of the liveness check.
    """

    __slots__ = ("_room", "client", "holder", "refusal")

    def __init__(self, room: "_Room", holder: str | None, refusal: Refusal | None) -> None:
        self._room = room
        self.holder = holder
        self.refusal = refusal
        self.client: str | None = None
        """The holder of the request under way, on a proxy's connection."""

    def begin(self, client: str) -> Refusal | None:
        """Count a request on a proxy's connection for `client`, until it is idle or left.

        Returns a refusal when the client has all its sockets. A request under way holds one of the
        proxy's sockets, so a client that reads no answers could hold all of them.
        """
        return self._room.begin(self, client)

    def idle(self, guest: Guest) -> None:
        """Say that `guest` has nothing to do here, from now on."""
        self._room.idle(self, guest)

    def busy(self) -> None:
        """Say that it has."""
        self._room.busy(self)

    def spare_holder(self) -> None:
        """Count it for nobody from now on: who holds it may have any number of them."""
        self._room.spare_holder(self)

    def leave(self) -> None:
        """Give the place back. Idempotent."""
        self._room.leave(self)


class _Room:
    """So many places, so many of them for one holder. The longest idle makes room for another.

    Everything takes constant time.
    """

    def __init__(self, most: int, most_per_holder: int) -> None:
        self._most = most
        self._most_per_holder = most_per_holder
        self._taken: set[Place] = set()
        self._by_holder: Counter[str] = Counter()
        self._idle: OrderedDict[Place, Guest] = OrderedDict()  # the longest idle first
        self._idle_of: dict[str, OrderedDict[Place, Guest]] = {}
        self._idle_of_proxies: OrderedDict[Place, Guest] = OrderedDict()
        self.evicted = 0
        self.refused = 0

    def begin(self, place: Place, client: str) -> Refusal | None:
        """Count a place for the client of a proxy."""
        self._end(place)
        if not self.has_place_for(client):
            self.refused += 1
            return self.too_many()
        place.client = client
        self._by_holder[client] += 1
        return None

    def _end(self, place: Place) -> None:
        if place.client is not None:
            self._count_off(place.client)
            place.client = None

    def too_many(self) -> Refusal:
        """The refusal for a holder that has all of its places."""
        reason = f"at most {self._most_per_holder} sockets from one address"
        return Refusal(429, "too_many_connections", reason, (_RETRY_AFTER,))

    def has_place_for(self, holder: str) -> bool:
        """Whether a holder may have one more, after its longest idle has left if need be."""
        if self._by_holder[holder] < self._most_per_holder:
            return True
        return self._make_place(self._idle_of.get(holder, OrderedDict()))

    def has_place(self, extra: int = 0) -> bool:
        """Whether there is one more, with `extra` beyond the limit; the longest idle may leave."""
        return (
            len(self._taken) < self._most
            or self.make_room()
            or len(self._taken) < self._most + extra
        )

    def make_room(self) -> bool:
        """Have the longest idle leave; whether there was one.

        Connections of a trusted proxy leave last, because a request may be on its way on them. But
        they do leave: to us one also looks idle while its client does not read the proxy's answer.
        """
        return self._make_place(self._idle) or self._make_place(self._idle_of_proxies)

    def _make_place(self, idle: OrderedDict[Place, Guest]) -> bool:
        for _ in range(min(len(idle), _TRIES)):
            place, guest = next(iter(idle.items()))
            if guest.leave_place():
                self.leave(place)
                self.evicted += 1
                return True
            self.idle(place, guest)  # behind the others
        return False

    def take(self, holder: str | None, refusal: Refusal | None) -> Place:
        """Give out a place."""
        place = Place(self, holder, refusal)
        self._taken.add(place)
        if holder is not None:
            self._by_holder[holder] += 1
        return place

    def leave(self, place: Place) -> None:
        """Take a place back."""
        if place not in self._taken:
            return
        self.busy(place)
        self._taken.remove(place)
        self._end(place)
        if place.holder is not None:
            self._count_off(place.holder)

    def spare_holder(self, place: Place) -> None:
        """Count a place, of a connection that is not idle, in all only."""
        self._end(place)
        if place in self._taken and place.holder is not None:
            self._count_off(place.holder)
            place.holder = None

    def _count_off(self, holder: str) -> None:
        self._by_holder[holder] -= 1
        if not self._by_holder[holder]:
            del self._by_holder[holder]

    def idle(self, place: Place, guest: Guest) -> None:
        """Put a place at the end of those whose guests may have to leave."""
        self._end(place)
        if place not in self._taken:
            return
        self.busy(place)
        if place.holder is None and place.refusal is None:
            self._idle_of_proxies[place] = guest
            return
        self._idle[place] = guest
        if place.holder is not None:
            self._idle_of.setdefault(place.holder, OrderedDict())[place] = guest

    def busy(self, place: Place) -> None:
        """Let the guest of a place stay."""
        self._idle_of_proxies.pop(place, None)
        if self._idle.pop(place, None) is None or place.holder is None:
            return
        of_holder = self._idle_of[place.holder]
        del of_holder[place]
        if not of_holder:
            del self._idle_of[place.holder]


class Places:
    """The places of a server."""

    def __init__(self, config: "ServerConfig") -> None:
        self._config = config
        self._seats = _Room(config.max_connections, config.max_connections_per_address)
        self._standing = _Room(_STANDING, _STANDING_PER_HOLDER)
        self._refused = 0

    @property
    def refused(self) -> int:
        """Connections over a limit, answered or reset, and requests of proxies' clients."""
        return self._refused + self._seats.refused

    @property
    def evicted(self) -> int:
        """Idle connections that were closed for another."""
        return self._seats.evicted

    def take(self, address: str | None) -> Place | None:
        """A place for a connection from `address`; None when it is to be reset unanswered.

        Past the limits it is a standing one.
        """
        holder = None if address is None else self._config.holder(address)
        if holder is not None and not self._seats.has_place_for(holder):
            return self._stand(holder, self._seats.too_many())
        extra = self._config.local_reserve if address is not None and _is_local(address) else 0
        if not self._seats.has_place(extra):
            most = self._config.max_connections
            full = Refusal(503, "full", f"this node has its {most} sockets", (_RETRY_AFTER,))
            return self._stand(holder, full)
        return self._seats.take(holder, None)

    def make_room(self) -> bool:
        """Close the longest idle connection to free a descriptor; whether there was one."""
        return self._seats.make_room() or self._standing.make_room()

    def _stand(self, holder: str | None, refusal: Refusal) -> Place | None:
        self._refused += 1
        if holder is not None and not self._standing.has_place_for(holder):
            return None
        if not self._standing.has_place():
            return None
        return self._standing.take(holder, refusal)


def _is_local(address: str) -> bool:
    read = read_address(address)
    return read is not None and read.is_loopback
