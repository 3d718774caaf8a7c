"""The request journal: the last requests and what became of them. Bounded in count and bytes."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mockserver.incoming import Request
from mockserver.mappings import StubMapping
from mockserver.matching import RequestPattern
from mockserver.responses import Answer

MAX_ENTRIES: Final = 1_000
# A thousand bodies of the largest size would be gigabytes.
MAX_BYTES: Final = 32_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One served request. `report` says why nothing matched, where nothing did."""

    request: Request
    logged: datetime
    answer: Answer
    stub: StubMapping | None
    report: str | None = None

    @property
    def id(self) -> str:
        """The request's."""
        return self.request.id

    @property
    def matched(self) -> bool:
        """Whether a stub answered."""
        return self.stub is not None

    @property
    def size(self) -> int:
        """About how many bytes it holds: bodies, headers, and a share for the rest."""
        request = self.request
        size = len(request.body) + len(self.answer.body) + len(request.url) + 500
        for name, value in request.headers:
            size += len(name) + len(value)
        for name, value in self.answer.headers:  # a template's can be as large as a body
            size += len(name) + len(value)
        return size


class Journal:
    """Owned by the stub server; entries are immutable."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._entries: deque[Entry] = deque()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Keep `entry`; the oldest go when there is no room."""
        self._entries.append(entry)
        self._bytes += entry.size
        # The newest always stays: it is what somebody is about to look at.
        while len(self._entries) > self._max_entries or (
            self._bytes > self._max_bytes and len(self._entries) > 1
        ):
            self._bytes -= self._entries.popleft().size

    def newest_first(self) -> list[Entry]:
        """Every entry."""
        return list(reversed(self._entries))

    def find(self, pattern: RequestPattern) -> list[Entry]:
        """The entries whose request fits `pattern`, oldest first."""
        return [entry for entry in self._entries if pattern.matches(entry.request)]

    def remove(self, unwanted: Callable[[Entry], bool]) -> list[Entry]:
        """Forget the entries that are `unwanted`; return them, newest first."""
        removed = [entry for entry in self._entries if unwanted(entry)]
        gone = {entry.id for entry in removed}
        self._entries = deque(entry for entry in self._entries if entry.id not in gone)
        self._bytes -= sum(entry.size for entry in removed)
        return removed[::-1]

    def get(self, key: str) -> Entry | None:
        """The entry with the id `key`."""
        return next((entry for entry in self._entries if entry.id == key), None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0
