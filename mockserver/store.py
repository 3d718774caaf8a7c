"""The stubs that are live: their order, their ids, and which one answers a request."""

from collections.abc import Iterable, Iterator

from mockserver.incoming import Request
from mockserver.mappings import StubMapping
from mockserver.scenarios import Scenarios


class DuplicateId(ValueError):
    """A stub with this id is there already."""


class StubStore:
    """Owned by the stub server. Iterates in the order requests try the stubs."""

    def __init__(self) -> None:
        self._stubs: dict[str, tuple[int, StubMapping]] = {}
        self._added = 0
        self._ordered: list[StubMapping] | None = None
        self._able: list[StubMapping] | None = None

    def __len__(self) -> int:
        return len(self._stubs)

    def __iter__(self) -> Iterator[StubMapping]:
        """By priority, 1 first; the latest added first within one."""
        if self._ordered is None:
            ranked = sorted(self._stubs.values(), key=lambda one: (one[1].priority, -one[0]))
            self._ordered = [stub for _, stub in ranked]
        return iter(self._ordered)

    def newest_first(self) -> list[StubMapping]:
        """As WireMock lists them."""
        ranked = sorted(self._stubs.values(), key=lambda one: -one[0])
        return [stub for _, stub in ranked]

    def get(self, key: str) -> StubMapping | None:
        """The stub with the id `key`."""
        found = self._stubs.get(key)
        return found[1] if found else None

    def add(self, stub: StubMapping) -> None:
        """Add `stub`. Raises `DuplicateId`."""
        if stub.id in self._stubs:
            raise DuplicateId(stub.id)
        self._added += 1
        self._stubs[stub.id] = (self._added, stub)
        self._changed()

    def replace(self, stub: StubMapping) -> bool:
        """Put `stub` in the place of the one with its id; False if there is none."""
        if stub.id not in self._stubs:
            return False
        self._stubs[stub.id] = (self._stubs[stub.id][0], stub)
        self._changed()
        return True

    def remove(self, key: str) -> bool:
        """Remove the stub with the id `key`; False if there is none."""
        self._changed()
        return self._stubs.pop(key, None) is not None

    def fill(self, stubs: Iterable[StubMapping]) -> None:
        """Have `stubs` and nothing else, the last one added last."""
        self._stubs.clear()
        self._changed()
        for stub in stubs:
            self.add(stub)

    def _changed(self) -> None:
        self._ordered = None
        self._able = None

    def select(self, request: Request, scenarios: Scenarios) -> StubMapping | None:
        """The stub that answers `request`. Raises `TooMuchWork`."""
        if self._able is None:
            self._able = [stub for stub in self if next(stub.obstacles, None) is None]
        for stub in self._able:
            if scenarios.allows(stub) and stub.request.matches(request):
                return stub
        return None
