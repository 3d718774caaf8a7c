"""Which provider of each route tells its symbols now: the first that is well. Pure.

A symbol has one source at a time: the prices of two, in turns, would go to and fro. Its route is
left as soon as the provider is away, and goes back to a better one when that has been well for a
while, and not again and again. In a cluster one node decides of a route, and the others follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from stockstream.sources import Route

AWAY_SECONDS = 10.0
"""A feed that has told nothing for so long is away; one that polls, after three intervals."""
WELL_SECONDS = 60.0
RETURN_SECONDS = 120.0


class Failover:
    """See the module. Times by the monotonic clock, in seconds."""

    def __init__(self, routes: Sequence[Route], active: Sequence[int] | None = None) -> None:
        """`active` is what the last life of whoever holds this had come to."""
        self._routes = tuple(routes)
        self.active = tuple(active or (0,) * len(self._routes))
        self._well_since: dict[str, float] = {}
        self._moved: dict[int, float] = {}

    def step(
        self, well: Mapping[str, bool], now: float, decided: Container[int] | None = None
    ) -> tuple[int, ...]:
        """The positions of the routes that changed; `well` has each provider by its name.

        Of the routes those at the positions in `decided` are decided here, None: all of them.
        """
        for name, is_well in well.items():
            if is_well:
                self._well_since.setdefault(name, now)
            else:
                self._well_since.pop(name, None)
        active = [
            self._next(number, route.names, self.active[number], now)
            if decided is None or number in decided
            else self.active[number]
            for number, route in enumerate(self._routes)
        ]
        changed = tuple(n for n, after in enumerate(active) if after != self.active[n])
        for number in changed:
            self._moved[number] = now
        self.active = tuple(active)
        return changed

    def follow(self, number: int, name: str, now: float) -> bool:
        """Take what another node has decided of a route; whether that is news."""
        names = self._routes[number].names
        if name not in names or name == names[self.active[number]]:
            return False
        self._moved[number] = now
        self.active = (*self.active[:number], names.index(name), *self.active[number + 1 :])
        return True

    def _next(self, number: int, names: Sequence[str], active: int, now: float) -> int:
        if names[active] not in self._well_since:
            others = (n for n, name in enumerate(names) if name in self._well_since)
            return next(others, active)
        if now - self._moved.get(number, -RETURN_SECONDS) < RETURN_SECONDS:
            return active
        for better, name in enumerate(names[:active]):
            if now - self._well_since.get(name, now) >= WELL_SECONDS:
                return better
        return active
