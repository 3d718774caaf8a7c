"""The webhooks: posts what fired to the addresses that users gave, each until it was taken.

The queue is a table, so it survives everything, and its order of work is here: a few calls at a
time, fewer of one user. A call is tried again with growing pauses (stamina), then it is dead and
stays as a row with its reason. A receiver may get a call twice, when we are killed before we wrote
down that it was taken; the alert's id in it says so. Nothing of an answer but its status is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import httpx
import msgspec
import stamina
import structlog
import trio

from stockstream import paths
from stockstream.alerts.call_rows import EndCall, FetchCalls
from stockstream.alerts.signing import HEADER, Signer
from stockstream.alerts.targets import Forbidden, TargetPolicy, find_target
from stockstream.history.query import DatabaseError, ask
from stockstream.messages import WebhookStatus
from stockstream.tables import WEBHOOKS
from stockstream.times import now_ms
from stockstream.told_alert import ToldAlert
from supervision import Actor, Conflate, MailboxPolicy, handles

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from stockstream.alerts.call_rows import Call
    from supervision import Table

AT_ONCE = 16
EACH_AT_ONCE = 2
LOOK_SECONDS = 5.0
"""How often the table is looked at without a hint."""
RETRY_SECONDS = 0.5
LONGEST_REASON = 200
USER_AGENT = "StockStream"

_log: BoundLogger = structlog.get_logger("alerts.webhooks")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`attempts` in all, with pauses from `first_pause` to `longest_pause`; seconds."""

    policy: TargetPolicy = field(default_factory=TargetPolicy)
    attempts: int = 6
    seconds: float = 5.0
    first_pause: float = 0.5
    longest_pause: float = 30.0


@dataclass(frozen=True, slots=True)
class CallsDue:
    """Calls wait in the table: look now."""


class _NotTaken(Exception):
    """An attempt failed, and another one may not."""


class Webhooks(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(
        bound=100, overflow=Conflate(lambda message: CallsDue if message == CallsDue() else None)
    )

    def __init__(
        self, settings: WebhookSettings, signer: Signer, statuses: Table[str, WebhookStatus]
    ) -> None:
        self._settings = settings
        self._signer = signer
        self._under_way: set[int] = set()
        self._due = trio.Event()
        self._statuses = statuses
        self._status = statuses.get(WEBHOOKS) or WebhookStatus()

    async def init(self) -> None:
        """Begin with what waits in the table."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    @handles(CallsDue)
    def _on_due(self, _message: CallsDue) -> None:
        self._due.set()
        self._due = trio.Event()

    def _count(self, **more: int) -> None:
        """Count, and write down how it goes."""
        counts = {name: getattr(self._status, name) + count for name, count in more.items()}
        counts["under_way"] = len(self._under_way)
        self._status = msgspec.structs.replace(self._status, **counts)
        self._statuses.put(WEBHOOKS, self._status)

    async def _run(self) -> None:
        # From nobody's environment: a proxy named there would undo the choice of addresses.
        client = httpx.AsyncClient(
            timeout=self._settings.seconds,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )
        async with client, trio.open_nursery() as nursery:
            while True:
                due = self._due
                room = AT_ONCE - len(self._under_way)
                for call in await self._fetch(room):
                    self._under_way.add(call.stored.row)
                    self._count()
                    nursery.start_soon(self._serve, client, call)
                with trio.move_on_after(LOOK_SECONDS):
                    await due.wait()

    async def _fetch(self, room: int) -> list[Call]:
        """Calls to begin with; none while the database is away."""
        if room <= 0:
            return []
        try:
            return await ask(self._database, FetchCalls(tuple(self._under_way), EACH_AT_ONCE, room))
        except DatabaseError:
            return []

    async def _serve(self, client: httpx.AsyncClient, call: Call) -> None:
        attempts, reason = await self._post(client, call)
        if reason is not None:
            _log.warning("a webhook is given up", alert=call.stored.alert.id, reason=reason)
        end = EndCall(call.stored.row, reason is None, attempts, reason)
        while True:
            try:
                await ask(self._database, end)
            except DatabaseError:
                await trio.sleep(RETRY_SECONDS)
            else:
                break
        self._under_way.discard(call.stored.row)
        self._count(delivered=reason is None, dead=reason is not None)
        self._on_due(CallsDue())  # there is room for another

    async def _post(self, client: httpx.AsyncClient, call: Call) -> tuple[int, str | None]:
        """How many attempts it took, and why it was given up; None when it was taken."""
        settings = self._settings
        attempts = 0
        try:
            async for attempt in stamina.retry_context(
                on=_NotTaken,
                attempts=settings.attempts,
                timeout=None,
                wait_initial=settings.first_pause,
                wait_max=settings.longest_pause,
                wait_jitter=settings.first_pause,
            ):
                with attempt:
                    attempts += 1
                    await self._try(client, call)
        except (_NotTaken, Forbidden) as error:
            reason = "".join(c if c.isprintable() else "?" for c in str(error))
            return attempts, reason[:LONGEST_REASON]
        return attempts, None

    async def _try(self, client: httpx.AsyncClient, call: Call) -> None:
        """One attempt.

        Raises:
            Forbidden: it may not be called; another attempt would not change that.
            _NotTaken: it was not taken this time.
        """
        status: int | None = None
        with trio.move_on_after(2 * self._settings.seconds):
            try:
                status = await self._send(client, call)
            except Forbidden:
                raise
            # Users name the addresses: whatever comes of one is its own failure, never the actor's.
            except Exception as error:
                self._count(failed=1)
                raise _NotTaken(f"{type(error).__name__}: {error}") from error
        if status is None or not 200 <= status < 300:
            self._count(failed=1)
            raise _NotTaken("no answer in time" if status is None else f"status {status}")

    async def _send(self, client: httpx.AsyncClient, call: Call) -> int:
        """Post it, and answer the status. The rest of the answer stays unread."""
        target = await find_target(call.url, self._settings.policy)
        alert = call.stored.alert
        body = msgspec.json.encode(ToldAlert.of(alert))
        headers = {
            "Host": target.host,
            "Content-Type": "application/json",
            "StockStream-Alert": alert.id,
            HEADER: self._signer.header(alert.owner, body, now_ms() // 1000),
        }
        # The certificate must be the name's, though the address is connected to.
        name = {"sni_hostname": target.name}
        async with client.stream(
            "POST", target.url, content=body, headers=headers, extensions=name
        ) as response:
            return response.status_code
