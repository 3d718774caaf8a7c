"""Requests by user and by address."""

from __future__ import annotations

from stockstream import part_settings
from stockstream.config import Settings
from web.request_limits import LOG_SECONDS, RequestLimits, Standing
from web.throttles import MOST_KEYS


def make() -> RequestLimits:
    return RequestLimits(rate=2, burst=10, rate_per_address=5, burst_per_address=30)


def test_a_user_has_a_share_of_the_address() -> None:
    """Who has used it up leaves the rest to the others there."""
    limits = make()
    for number in range(10):
        assert limits.take("office", "ann", 0.0) == Standing(29 - number, 9 - number)
    assert limits.take("office", "ann", 0.0) == Standing(20, 0, 0.5, "user")
    assert limits.take("elsewhere", "ann", 0.0).wait == 0.5, "wherever she is"
    for number in range(10):
        assert limits.take("office", "bob", 0.0) == Standing(19 - number, 9 - number)


def test_an_address_has_a_limit_however_many_users_it_claims() -> None:
    """What an address refuses costs its users nothing, and who waits as told is served."""
    limits = make()
    for number in range(30):
        assert not limits.take("office", f"user {number}", 0.0).wait
    assert limits.take("office", None, 0.0) == Standing(0, None, 0.2, "address")
    refused = limits.take("office", "carl", 0.0)
    assert refused == Standing(0, 10, 0.2, "address")
    assert not limits.take("office", "carl", refused.wait).wait
    assert not limits.take("elsewhere", "carl", 0.0).wait


def test_what_a_client_is_told() -> None:
    """Both limits, what is left of each, and when to come back once there is nothing."""
    limits = make()
    first = limits.take("office", "ann", 0.0)
    assert limits.policy(first) == '"address";q=30;w=6, "user";q=10;w=5'
    assert first.header() == '"address";r=29, "user";r=9'
    program = limits.take("office", None, 0.0)
    assert limits.policy(program) == '"address";q=30;w=6'
    assert program.header() == '"address";r=28'
    for _ in range(9):
        limits.take("office", "ann", 0.0)
    refused = limits.take("office", "ann", 0.0)
    assert refused.header() == '"address";r=19, "user";r=0;t=1'
    assert refused.retry_after == 1
    slow = RequestLimits(rate=0.1, burst=1, rate_per_address=5, burst_per_address=30)
    slow.take("office", "ann", 0.0)
    refused = slow.take("office", "ann", 0.5)
    assert (refused.header(), refused.retry_after) == ('"address";r=30, "user";r=0;t=10', 10)


def test_the_log_tells_of_one_a_minute() -> None:
    """A flood is not to fill the disk."""
    limits = make()
    assert [limits.is_news(now) for now in (1.0, 2.0, LOG_SECONDS, 1.0 + LOG_SECONDS)] == [
        True,
        False,
        False,
        True,
    ]


def test_an_office_that_opens_the_dashboard_at_once_is_served() -> None:
    """200 people behind one address, with the default settings, each with all that a page asks."""
    limits = part_settings.throttles(Settings(_env_file=None)).requests
    for person in range(200):
        for _ in range(20):
            assert not limits.take("office", f"user {person}", 0.0).wait


def test_all_limits_together_are_bounded() -> None:
    """So many keys and no more, whoever asks for whatever; each limit has a name of its own."""
    throttles = part_settings.throttles(Settings(_env_file=None))
    limits = [buckets.limit for buckets in throttles.buckets()]
    assert sum(limit.keys for limit in limits) <= MOST_KEYS
    assert len({limit.name for limit in limits}) == len(limits)
    assert set(throttles.keys()) == {limit.name for limit in limits}
    assert set(throttles.keys()) <= set(throttles.refused())
