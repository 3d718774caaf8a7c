"""The actor `figures`: stores a row of figures for each minute of this node, when it can.

While the database is away rows wait, a day of them at most; a gap is left where nobody was there to
take them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.figures.rows import WriteFigures
from stockstream.times import now_ms
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.figures.minutes import MinuteBook

LOOK_SECONDS = 1.0
RETRY_SECONDS = 30.0
AT_ONCE = 120

_log: BoundLogger = structlog.get_logger("figures")


class _Look:
    """Time to look whether a minute is over."""


class FiguresKeeper(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, book: MinuteBook, node: str, clock: Callable[[], int] = now_ms) -> None:
        self._book = book
        self._node = node
        self._clock = clock
        self._news = trio.Event()

    async def init(self) -> None:
        """Begin with what waits."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)
        self.send_every(LOOK_SECONDS, _Look())

    @handles(_Look)
    def _on_look(self, _message: _Look) -> None:
        if self._book.take(self._clock()):
            self._news.set()

    async def _run(self) -> None:
        waiting, told = self._book.waiting, False
        while True:
            if not waiting:
                self._news = trio.Event()
                await self._news.wait()
            some = tuple(waiting)[:AT_ONCE]
            book = self._book
            query = WriteFigures(self._node, some, self._clock(), book.started, book.before)
            try:
                await ask(self._database, query)
            except DatabaseError as error:
                if isinstance(error, Rejected) and not told:
                    told = True
                    _log.error("figures cannot be stored", reason=str(error))
                await trio.sleep(RETRY_SECONDS)
                continue
            told = False
            while waiting and waiting[0] in some:
                waiting.popleft()
