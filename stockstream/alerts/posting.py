"""One try of a call: the request and its outcome. Knows nothing of slots or rows."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import msgspec
import trio

from stockstream.alerts.lookups import Lookups, NotFound
from stockstream.alerts.shares import SHARES, Standing
from stockstream.alerts.signing import HEADER
from stockstream.alerts.targets import Forbidden, TargetPolicy, find_target
from stockstream.http_client import (
    os_reason,
    retry_after,
    root_cause,
    tls_context,
    tls_reason,
)
from stockstream.spans import traceparent_headers
from stockstream.times import now_ms
from stockstream.told_alert import ToldAlert

if TYPE_CHECKING:
    from typing import Self

    from stockstream.alerts.call_rows import Call
    from stockstream.alerts.signing import Signer

LONGEST_ASKED_SECONDS = 3_600.0
"""The longest rest that a receiver may ask for by `Retry-After`."""
CLOSING_SECONDS = 1.0
THREADS_OF_A_SLOT = 4
"""A slot waits 5 seconds for a lookup; the system's resolver gives up after 10 to 20."""
LONGEST_REASON = 200
USER_AGENT = "StockStream"
_WAIT = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a try, which took so many seconds.

    `reason` says why it was not taken, None when it was. `final`: a further try would fail, too.
    `status` is None without an answer; `asked` is the rest that the receiver asked for.
    """

    seconds: float
    reason: str | None = None
    status: int | None = None
    final: bool = False
    asked: float | None = None

    @property
    def gone(self) -> bool:
        """The receiver says that it will never be there again, for any call."""
        return self.status == httpx.codes.GONE


@dataclass(frozen=True, slots=True)
class Letter:
    """A body for an address, signed with its owner's secret; `name` is a header with its id."""

    url: str
    body: bytes
    owner: str
    name: tuple[str, str]


@dataclass
class Poster:
    """Posts calls, each within twice `seconds`. Made by `opened`; `async with` closes it."""

    policy: TargetPolicy
    signer: Signer
    seconds: float
    _client: httpx.AsyncClient
    _lookups: dict[Standing, Lookups] = field(
        # A line whose name is not answered is soon in trouble, and uses threads of that class only.
        default_factory=lambda: {
            standing: Lookups(share.slots * THREADS_OF_A_SLOT) for standing, share in SHARES.items()
        }
    )

    @classmethod
    async def opened(cls, policy: TargetPolicy, signer: Signer, seconds: float) -> Self:
        """A poster; the slow part of making one runs in a thread."""
        limiter = trio.CapacityLimiter(1)
        context = await trio.to_thread.run_sync(tls_context, limiter=limiter)
        client = httpx.AsyncClient(
            verify=context,
            timeout=seconds,
            follow_redirects=False,
            # The environment is ignored: a proxy named there would undo the choice of addresses.
            trust_env=False,
            # No connection is reused: httpx pools them by address, and the certificate was checked
            # against the name of the first call only.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            headers={"User-Agent": USER_AGENT},
        )
        return cls(policy, signer, seconds, client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.move_on_after(CLOSING_SECONDS, shield=True):
            await self._client.aclose()

    async def post(self, call: Call, standing: Standing) -> Outcome:
        """One try of a call."""
        alert = call.stored.alert
        body = msgspec.json.encode(ToldAlert.of(alert))
        letter = Letter(call.url, body, alert.owner, ("StockStream-Alert", alert.id))
        return await self.send(letter, self._lookups[standing])

    async def send(self, letter: Letter, lookups: Lookups) -> Outcome:
        """One try. Every error becomes an outcome, because users name the addresses."""
        began = trio.current_time()
        outcome = Outcome(0, "no answer in time")
        with trio.move_on_after(2 * self.seconds):
            try:
                outcome = await self._send(letter, lookups)
            except Forbidden as error:
                outcome = Outcome(0, _shown(str(error)), final=True)
            except Exception as error:  # noqa: BLE001 - not the actor's failure, whatever it is
                outcome = Outcome(0, _shown(_why(error)))
        seconds = trio.current_time() - began
        return Outcome(seconds, outcome.reason, outcome.status, outcome.final, outcome.asked)

    async def _send(self, letter: Letter, lookups: Lookups) -> Outcome:
        """Post it. Only the status of the answer and its `Retry-After` are read."""
        target = await find_target(letter.url, self.policy, lookups)
        now = now_ms()
        name, value = letter.name
        headers = {
            "Host": target.host,
            "Content-Type": "application/json",
            name: value,
            HEADER: self.signer.header(letter.owner, letter.body, now // 1000),
            **traceparent_headers(),
        }
        # The certificate must match the name, although the connection goes to the address.
        sni = {"sni_hostname": target.name}
        async with self._client.stream(
            "POST", target.url, content=letter.body, headers=headers, extensions=sni
        ) as response:
            return _judge(response, now)


def _judge(response: httpx.Response, now: int) -> Outcome:
    status = response.status_code
    if response.is_success:
        return Outcome(0, status=status)
    if status == httpx.codes.GONE:
        return Outcome(0, "status 410: the receiver wants no more of these", status, final=True)
    asked = None
    if status in _WAIT:
        asked = retry_after(response.headers, now=now)
    reason = f"status {status}"
    if response.is_redirect:
        reason += "; redirects are not followed"
    return Outcome(0, reason, status, asked=asked and min(asked, LONGEST_ASKED_SECONDS))


def _why(error: Exception) -> str:
    """Why there was no answer, for the user who gave the address."""
    root = root_cause(error)
    text = str(error) or type(error).__name__
    match error:
        case NotFound():
            return text
        case httpx.ConnectTimeout():
            return "no connection in time"
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.NetworkError() if isinstance(root, ssl.SSLError):
            return f"TLS: {tls_reason(root)}"
        case httpx.NetworkError():
            broke = "no connection" if isinstance(error, httpx.ConnectError) else "cut off"
            return f"{broke}: {os_reason(root) or text}"
        case httpx.ProtocolError():
            return f"the answer is not HTTP: {text}"
        case _:
            return f"{type(error).__name__}: {text}"


def _shown(reason: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in reason)[:LONGEST_REASON]
