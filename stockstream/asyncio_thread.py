"""One asyncio loop in one thread, for the gateways whose libraries are written for asyncio.

An `AsyncioThread` is made where a tree is wired, and passed to its gateways. The first gateway that
uses it starts the thread. When the last one has left, the loop is told to stop, without a wait. The
process does not wait for the thread either when it ends.

A trio task runs a coroutine there by `AsyncioLoop.run`. The coroutine keeps its own deadline.
`AsyncioLoop.watch` watches the loop, in a task of each gateway. If the loop has ended, or answers
no more, all waiting callers and that task fail. The gateway ends with the task, and its next life
gets a new loop in a new thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, TypeVarTuple

import structlog
import trio

from stockstream.asyncio_turns import PoliteSelector, TrioIsBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from structlog.stdlib import BoundLogger

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

END_SECONDS = 2.0
"""How long a cancelled caller waits for its coroutine to end. A coroutine may itself wait a second
for a task that it has cancelled, so this is longer."""
BEAT_SECONDS = 1.0
MISSED_BEATS = 5
"""After so many missed beats in a row the loop counts as hung. They are beats and not seconds: a
process that was stopped for a minute misses only one."""
LAST_TURNS = 10
"""Passes of the loop before it is closed: a closed transport releases its socket in the next pass,
or, under TLS, some passes later."""
LOOKUPS = 16
"""Host names that may be looked up at once, by all lives of the loop together: a look-up cannot be
cut short, and goes on when the loop that wanted it has ended."""

_log: BoundLogger = structlog.get_logger("asyncio")


class AsyncioThreadLost(Exception):
    """The loop has ended, or answers no more; the call may have run or not."""


class CancelledUnderAsyncio(Exception):
    """The coroutine was cancelled, but not by its caller."""


class AsyncioThread:
    """See the module. Used by the tasks of one `trio.run` at a time."""

    def __init__(self) -> None:
        self._loop: AsyncioLoop | None = None
        self._lookups = _Lookups()

    @contextmanager
    def use(self) -> Iterator[AsyncioLoop]:
        """The loop, for the time of a `with`; a new one where the last one was lost."""
        if self._loop is None or self._loop.is_lost:
            self._loop = AsyncioLoop(self._lookups)
        loop = self._loop
        loop.users += 1
        try:
            yield loop
        finally:
            loop.users -= 1
            if loop.users == 0:
                loop.stop()


class AsyncioLoop:
    """One life of the loop and its thread. Everything here is called by trio, except `tell`."""

    def __init__(self, lookups: _Lookups) -> None:
        self.users = 0
        self._token = trio.lowlevel.current_trio_token()
        self._posted: list[Callable[[], object]] = []
        self._trio_is_busy = TrioIsBusy(self._hand_over)
        trio.lowlevel.add_instrument(self._trio_is_busy)
        self._loop = asyncio.SelectorEventLoop(PoliteSelector(self._trio_is_busy.lock))
        self._loop.set_exception_handler(_report)
        self._loop.set_default_executor(lookups)
        self._lost: str | None = None
        self._changed = trio.Event()
        self._calls: set[_Call[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop itself keeps no task alive
        self._missed = 0
        self._closing = False  # the thread's
        # A daemon: the process must end also while a callback hangs.
        self._thread = threading.Thread(target=self._main, name="asyncio", daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether nothing can run there any more."""
        return self._lost is not None

    async def run(
        self,
        function: Callable[[*Ts], Coroutine[Any, Any, R]],
        *args: *Ts,
        discard: Callable[[R], None] | None = None,
    ) -> R:
        """Await `function(*args)` in the loop, with the context variables of here.

        If cancelled, it cancels the coroutine and waits for its end, `END_SECONDS` at most. A late
        result is passed to `discard`, which is called in the loop.

        Raises:
            AsyncioThreadLost: the loop is gone.
            CancelledUnderAsyncio: the coroutine was cancelled by other code.
            Exception: what the coroutine raises, with its traceback.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._lost is not None:
            raise AsyncioThreadLost(self._lost)
        call = _Call(self._tasks, self.tell, function, args, discard)
        self._calls.add(call)
        self.post(call.start, self._loop)
        try:
            await call.done.wait()
            return call.result(self._lost)
        except trio.Cancelled:
            self.post(call.cancel)
            with trio.move_on_after(END_SECONDS, shield=True) as limit:
                await call.done.wait()
            if limit.cancelled_caught:
                _log.error("what was cancelled under asyncio does not end", call=repr(function))
            raise
        finally:
            self._calls.discard(call)
            # An error of the call holds this frame, and the call holds the error: a cycle.
            del call

    def post(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Have the loop call `function` soon. Does nothing if the loop has ended."""
        self._posted.append(partial(function, *args))
        if self._lost is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        """Wake the loop, once for all that was posted while trio ran its tasks."""
        if self._posted:
            posted, self._posted = self._posted, []
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_call_all, posted)

    def tell(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Have trio call `function` soon: the only way back from the loop's thread."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *args)

    async def watch(self) -> NoReturn:
        """Watch over the loop until it is lost.

        Raises:
            AsyncioThreadLost: it is; the text says how.
        """
        while self._lost is None:
            self._missed += 1
            self.post(self.tell, self._answered)
            with trio.move_on_after(BEAT_SECONDS):
                await self._changed.wait()
            if self._missed > MISSED_BEATS:
                frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001
                stack = "".join(traceback.format_stack(frame)) if frame is not None else "none"
                _log.error("the asyncio thread hangs; it is left behind", stack=stack)
                self._lose(f"the asyncio loop has not answered for {MISSED_BEATS} beats")
        raise AsyncioThreadLost(self._lost)

    def stop(self) -> None:
        """End the loop and its thread, soon; what still runs there is cancelled."""
        self._lose("the asyncio loop was stopped")
        self.post(self._end)

    def _end(self) -> None:
        if not self._closing:
            self._loop.stop()

    def _answered(self) -> None:
        self._missed = 0

    def _lose(self, why: str) -> None:
        if self._lost is not None:
            return
        self._lost = why
        trio.lowlevel.remove_instrument(self._trio_is_busy)
        self._trio_is_busy.release()
        self._trio_is_busy.forget()
        self._changed.set()
        for call in self._calls:
            call.done.set()

    def _main(self) -> None:
        """The thread."""
        why = "the asyncio loop has ended"
        try:
            self._loop.run_forever()
        # Such as SystemExit, which asyncio lets through. The thread ends with it, trio goes on.
        except BaseException as error:  # noqa: BLE001
            why = f"the asyncio loop has ended: {type(error).__name__}: {error}"
            _log.exception("the asyncio thread has ended")
        finally:
            self.tell(self._lose, why)
            self._close()

    def _close(self) -> None:
        self._closing = True
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=END_SECONDS))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(_turns(LAST_TURNS))
        self._loop.close()


class _Call(Generic[R]):
    """A coroutine that a trio task waits for. `start` and `cancel` are called in the loop."""

    __slots__ = (
        "_args", "_context", "_discard", "_function", "_keep", "_task", "_tell", "done",
    )  # fmt: skip

    def __init__(
        self,
        keep: set[asyncio.Task[Any]],
        tell: Callable[[Callable[[], None]], None],
        function: Callable[..., Coroutine[Any, Any, R]],
        args: tuple[object, ...],
        discard: Callable[[R], None] | None,
    ) -> None:
        self._keep = keep
        self._tell = tell
        self._function = function
        self._args = args
        self._discard = discard
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[R] | None = None
        self.done = trio.Event()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        # Inside the task: a call that is cancelled at once makes no coroutine at all.
        task = loop.create_task(_awaited(self._function, self._args), context=self._context)
        self._task = task
        self._keep.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # Also when it is done: an error that is never read would be logged by asyncio.
            self._task.add_done_callback(self._take_away)

    def result(self, lost: str | None) -> R:
        task, self._task = self._task, None
        try:
            if task is None or not task.done():
                raise AsyncioThreadLost(lost)
            return task.result()
        except asyncio.CancelledError:
            if lost is not None:  # it is the loop that cancelled it
                raise AsyncioThreadLost(lost) from None
            raise CancelledUnderAsyncio(f"{self._function!r} was cancelled") from None
        finally:
            del self, task  # the error holds this frame

    def _ended(self, task: asyncio.Task[R]) -> None:
        self._keep.discard(task)
        self._tell(self.done.set)

    def _take_away(self, task: asyncio.Task[R]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.debug("failed after it was cancelled", error=repr(error))
        elif self._discard is not None:
            self._discard(task.result())


def _call_all(functions: Iterable[Callable[[], object]]) -> None:
    for function in functions:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - the others are somebody else's
            _report(None, {"message": f"in {function!r}", "exception": error})


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def _awaited(function: Callable[..., Coroutine[Any, Any, R]], args: tuple[object, ...]) -> R:
    # No reference to the call here: an error holds this frame, and the call's task holds the error.
    return await function(*args)


class _Lookups(ThreadPoolExecutor):
    """The loop's look-ups of host names, in daemon threads: one may take half a minute, and the
    interpreter waits at its end for the threads of an ordinary executor. It outlives the loops.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._free = threading.Semaphore(LOOKUPS)

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:  # noqa: ANN401
        """Start a thread for it.

        Raises:
            OSError: so many are under way that this one is not begun.
        """
        if not self._free.acquire(blocking=False):
            raise socket.gaierror(socket.EAI_AGAIN, f"{LOOKUPS} look-ups of names are under way")
        future: Future[R] = Future()

        def work() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)
            finally:
                self._free.release()

        try:
            threading.Thread(target=work, name="asyncio look-up", daemon=True).start()
        except RuntimeError as error:  # the system has no more threads for us
            self._free.release()
            raise socket.gaierror(socket.EAI_AGAIN, str(error)) from error
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: a loop says this when it is closed, and the next one goes on."""


def _report(_loop: object, context: Mapping[str, Any]) -> None:
    """Log the errors that asyncio cannot report to a caller."""
    message, error = context.get("message"), context.get("exception")
    if "future" in context or "task" in context:
        # A driver leaves futures behind when its connection is cut; their callers have an answer.
        _log.debug("left behind under asyncio", note=message, error=repr(error))
    else:
        _log.error("error under asyncio", note=message, exc_info=error)
