"""Limits of HTTP requests, by the user who asks and by the address.

Each user has a share, so that one at an office does not use up what is there for its address. A
request that is refused costs nothing. Programs on this machine, static files and the health checks
have no limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, cast

import structlog
import trio
from quart import g, request
from werkzeug.exceptions import TooManyRequests

from stockstream.users.roles import Scope
from web.limits import Buckets, Limit
from web.request_caller import current_caller, told_path
from web.users.principal import NOBODYS, current_principal

if TYPE_CHECKING:
    from quart import Quart, Response
    from structlog.stdlib import BoundLogger
    from werkzeug.wrappers import Response as WerkzeugResponse

    from web.audited import Audit
    from web.callers import Caller
    from web.users.principal import Principals

MOST_ADDRESSES, MOST_USERS = 8_192, 8_192
LOG_SECONDS = 60.0
"""The log names one of those who ask too often, so often at most."""

ADDRESS, USER = "address", "user"

_log: BoundLogger = structlog.get_logger("web.requests")


class TooManyRequestsError(TooManyRequests):
    """A user or an address asks too often."""

    word: ClassVar[str] = "too_many_requests"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one who asks stands: requests that are left, and the seconds to wait when it is refused.

    `reason` is which limit refuses it; `of_user` is None for one that names no user.
    """

    of_address: int
    of_user: int | None
    wait: float = 0.0
    reason: str = ""

    @property
    def retry_after(self) -> int:
        """Whole seconds, for `Retry-After`; it is not earlier than what `RateLimit` says."""
        return max(1, ceil(self.wait))

    def header(self) -> str:
        """The value of `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).

        When more comes is only told to one that has none left: a time beside what is left would
        read as a rate.
        """
        items = [self._item(ADDRESS, self.of_address)]
        if self.of_user is not None:
            items.append(self._item(USER, self.of_user))
        return ", ".join(items)

    def _item(self, name: str, left: int) -> str:
        if name == self.reason:
            return f'"{name}";r=0;t={self.retry_after}'
        return f'"{name}";r={left}'


class RequestLimits:
    """Counts requests. Made once; outlives every life of `web`."""

    def __init__(
        self, *, rate: float, burst: int, rate_per_address: float, burst_per_address: int
    ) -> None:
        self.by_user = Buckets(Limit("requests_user", burst, burst / rate, MOST_USERS))
        self.by_address = Buckets(
            Limit(
                "requests_address",
                burst_per_address,
                burst_per_address / rate_per_address,
                MOST_ADDRESSES,
            )
        )
        of_address = _policy(ADDRESS, self.by_address.limit)
        self._policies = (of_address, f"{of_address}, {_policy(USER, self.by_user.limit)}")
        self._log_at = 0.0

    def take(self, holder: str, user: str | None, now: float) -> Standing:
        """Count a request, or refuse it; then it is not counted, for neither of both."""
        wait, reason = self.by_address.wait(holder, now), ADDRESS
        if user is not None:
            longer = self.by_user.wait(user, now)
            if longer > wait:
                wait, reason = longer, USER
        if wait > 0:
            if reason is USER and user is not None:
                self.by_user.refuse(user)
            else:
                self.by_address.refuse(holder)
            return self._standing(holder, user, now, wait, reason)
        self.by_address.take(holder, now)
        if user is not None:
            self.by_user.take(user, now)
        return self._standing(holder, user, now)

    def _standing(
        self, holder: str, user: str | None, now: float, wait: float = 0.0, reason: str = ""
    ) -> Standing:
        of_user = None if user is None else self.by_user.left(user, now)
        return Standing(self.by_address.left(holder, now), of_user, wait, reason)

    def policy(self, standing: Standing) -> str:
        """The value of `RateLimit-Policy`: the limits that count for one who stands so."""
        return self._policies[standing.of_user is not None]

    def is_news(self, now: float) -> bool:
        """Whether the log is to tell of a refusal."""
        if now < self._log_at:
            return False
        self._log_at = now + LOG_SECONDS
        return True


def _policy(name: str, limit: Limit) -> str:
    return f'"{name}";q={limit.burst};w={ceil(limit.seconds)}'


def refuse_addresses(app: Quart, limits: RequestLimits, principals: Principals) -> None:
    """Have requests of addresses that ask too often refused, once their caller was read: before it
    is looked up who they are of. Who may load the server, as is known already, goes on.
    """

    @app.before_request
    async def refuse() -> None:
        caller = current_caller()
        # By the route, not by the path: whatever is looked up for a request costs its sender.
        g.counted = not caller.local and request.endpoint not in NOBODYS
        waits = g.counted and limits.by_address.wait(caller.holder, trio.current_time())
        if waits and not principals.may_load(request.headers):
            _take(limits, caller, None)


def count_requests(app: Quart, limits: RequestLimits, audit: Audit) -> None:
    """Have the others counted, once their principal was read."""

    @app.before_request
    async def count() -> None:
        if not g.counted:
            return  # nor is it looked up who it is of
        principal = current_principal()
        if Scope.LOAD in principal.scopes:
            audit.note_load(principal, current_caller(), trio.current_time())
        else:
            _take(limits, current_caller(), principal.owner)

    @app.after_request
    async def tell(response: Response | WerkzeugResponse) -> Response | WerkzeugResponse:
        standing = cast("Standing | None", g.get("standing"))
        if standing is not None:
            response.headers["RateLimit-Policy"] = limits.policy(standing)
            response.headers["RateLimit"] = standing.header()
        return response


def _take(limits: RequestLimits, caller: Caller, user: str | None) -> None:
    now = trio.current_time()
    standing = g.standing = limits.take(caller.holder, user, now)
    if not standing.wait:
        return
    if limits.is_news(now):
        _log.warning(
            "too many requests",
            address=caller.address,
            limit=standing.reason,
            path=told_path(),
            seconds=standing.retry_after,
        )
    limit = (limits.by_user if standing.reason is USER else limits.by_address).limit
    raise TooManyRequestsError(
        f"at most {limit.rate:g} requests a second by one {standing.reason}, {limit.burst} at once",
        retry_after=standing.retry_after,
    )
