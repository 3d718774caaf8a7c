"""Every limit of the front end that counts by user or by address. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web.limits import Buckets
    from web.request_limits import RequestLimits
    from web.users.login_throttle import LoginThrottle

MOST_KEYS = 65_536
"""Users and addresses that are remembered in all, by all limits together: some 20 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttles:
    """Made once; outlives every life of `web`. What is counted is of this node alone."""

    requests: RequestLimits
    handshakes: Buckets
    user_handshakes: Buckets
    changes: Buckets
    new_rows: Buckets
    wrong_tokens: Buckets
    logins: LoginThrottle

    def buckets(self) -> Iterator[Buckets]:
        """All of them."""
        yield from (self.requests.by_address, self.requests.by_user)
        yield from (self.handshakes, self.user_handshakes, self.changes, self.new_rows)
        yield self.wrong_tokens
        logins = self.logins
        yield from (logins.by_user, logins.by_device, logins.by_holder, logins.in_all)

    def keys(self) -> dict[str, int]:
        """How many users or addresses are remembered, by the limit's name."""
        return {buckets.limit.name: len(buckets) for buckets in self.buckets()}

    def refused(self) -> dict[str, int]:
        """How often one of them was told to wait, by the limit's name."""
        counted = {buckets.limit.name: buckets.statistics().refused for buckets in self.buckets()}
        return counted | dict(self.logins.refused())
