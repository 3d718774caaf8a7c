"""How often a login may be tried: by the owner, and by everybody else."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from web.users.login_throttle import (
    FORGET_SECONDS,
    FREE_FAILURES,
    GUESSES_PER_DAY,
    IN_ALL,
    MOST_USERS,
    LoginThrottle,
)

DAY = 86_400.0


def guess(throttle: LoginThrottle, now: float, *, user: str = "ann", holder: str = "h") -> float:
    """One wrong password of an unknown device; the seconds to wait where it was not let in."""
    wait = throttle.check(user, holder, None, now)
    if wait is None:
        throttle.failed(user, holder, None, now)
    return wait or 0.0


def test_a_user_may_mistype_and_then_waits_longer_each_time() -> None:
    """Five are free; then a second, two, four, up to a minute."""
    throttle, now, waits = LoginThrottle(), 0.0, []
    for number in range(14):
        assert guess(throttle, now, holder=f"h{number}") == 0.0
        waits.append(throttle.check("ann", "other", None, now) or 0.0)
        if not waits[-1]:
            throttle.not_judged("ann", None, now)
        now += waits[-1]
    assert waits == [0.0] * (FREE_FAILURES - 1) + [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert throttle.check("bob", "h0", None, now) is None, "another user is not concerned"


def test_failures_are_forgotten_after_an_hour() -> None:
    """And not before: a quiet attacker gains nothing."""
    throttle = LoginThrottle()
    for number in range(FREE_FAILURES):
        guess(throttle, 0.0, holder=f"h{number}")
    guess(throttle, FORGET_SECONDS - 1)
    assert throttle.check("ann", "h", None, FORGET_SECONDS - 1) == 2.0
    assert guess(throttle, 2 * FORGET_SECONDS - 1) == 0.0
    assert throttle.check("ann", "h", None, 2 * FORGET_SECONDS - 1) is None


def test_an_address_may_not_try_users_one_after_the_other() -> None:
    """Ten in five minutes; a login that is right costs it nothing, however many are under way."""
    throttle = LoginThrottle()
    for number in range(200):
        assert throttle.check(f"user {number}", "office", None, 0.0) is None
    for number in range(200):
        throttle.succeeded(f"user {number}", None, 0.0)
    for number in range(10):
        assert not guess(throttle, 0.0, user=f"guess {number}", holder="office")
    assert throttle.check("ann", "office", None, 0.0) == 30.0
    assert throttle.check("ann", "elsewhere", None, 0.0) is None
    assert {name: count for name, count in throttle.refused().items() if count} == {
        "login_address": 1
    }


def test_all_together_have_a_limit() -> None:
    """Many addresses that try many users get no further than that."""
    throttle = LoginThrottle()
    for number in range(IN_ALL.burst):
        assert not guess(throttle, 0.0, user=f"u{number}", holder=f"h{number}")
    assert throttle.check("ann", "nobody before", None, 0.0)
    assert throttle.check("ann", "nobody before", "her laptop", 0.0) is None


def test_a_known_device_is_counted_by_itself() -> None:
    """Its failures are its own, of this user alone, and a right password does not count."""
    throttle = LoginThrottle()
    for _ in range(50):
        assert throttle.check("ann", "h", "laptop", 0.0) is None
        throttle.succeeded("ann", "laptop", 0.0)
    for _ in range(10):
        assert throttle.check("ann", "h", "laptop", 0.0) is None
        throttle.failed("ann", "h", "laptop", 0.0)
    assert throttle.check("ann", "h", "laptop", 0.0) == 30.0
    assert throttle.check("ann", "h", "phone", 0.0) is None
    assert throttle.check("bob", "h", "laptop", 0.0) is None
    assert throttle.check("ann", "h", None, 0.0) is None, "nor does the laptop lock out others"


def test_what_is_tried_at_once_is_counted_before_it_is_judged() -> None:
    """Or somebody who does not wait for the answers could guess as often as the server hashes.

    What nobody judged at last was no guess.
    """
    throttle = LoginThrottle()
    begun = sum(throttle.check("ann", f"h{number}", None, 0.0) is None for number in range(100))
    assert begun == FREE_FAILURES
    for _ in range(begun):
        throttle.not_judged("ann", None, 0.0)
    assert throttle.check("ann", "h", None, 0.0) is None


def test_how_many_guesses_a_day_has() -> None:
    """Of one user's password, by who has all addresses and never sleeps: the number we tell."""
    throttle, now, guesses = LoginThrottle(), 0.0, []
    while now <= DAY:
        wait = guess(throttle, now, holder=f"h{len(guesses)}")
        if not wait:
            guesses.append(now)
        now += wait
    assert len(guesses) == GUESSES_PER_DAY
    assert max(later - earlier for earlier, later in pairwise(guesses)) == 60.0


def test_nobody_has_a_user_forgotten_by_failing_as_others() -> None:
    """More users than can fail in an hour are remembered."""
    most = IN_ALL.burst + IN_ALL.rate * FORGET_SECONDS
    assert most < MOST_USERS
    throttle, now = LoginThrottle(), 0.0
    for number in range(10):
        guess(throttle, now, holder=f"h{number}")
        now += 60.0
    before = throttle.check("ann", "h", None, now - 59.0)
    for number in range(2_000):
        if guess(throttle, now - 59.0, user=f"made up {number}", holder=f"g{number}"):
            break
    assert throttle.check("ann", "h", None, now - 59.0) == before
    assert len(throttle._streaks) <= MOST_USERS


ATTACKER = st.tuples(
    st.sampled_from(["ann", "ann", "mallory", "made up"]),
    st.sampled_from(["office", "elsewhere", "2001:db8::/64"]),
    st.sampled_from(["wrong", "gone away", "not judged", "right"]),
    st.floats(0, 100),
    st.integers(1, 30),
)


@given(st.lists(ATTACKER, max_size=40))
def test_whatever_others_do_the_owner_gets_in_by_a_known_device(
    turns: list[tuple[str, str, str, float, int]],
) -> None:
    """From the very address of the attacker, too; and the attacker's guesses have their bound."""
    throttle, now, guesses = LoginThrottle(), 0.0, 0
    for user, holder, outcome, pause, times in turns:
        now += pause
        device = "mallory's" if user == "mallory" else None
        for _ in range(times):
            if throttle.check(user, holder, device, now) is not None:
                continue
            if user == "ann" and outcome != "not judged":
                guesses += 1
            if outcome == "not judged":
                throttle.not_judged(user, device, now)
            elif outcome == "right" and user == "mallory":
                throttle.succeeded(user, device, now)
            elif outcome != "gone away":
                throttle.failed(user, holder, device, now)
        assert throttle.check("ann", "office", "ann's", now) is None
        throttle.succeeded("ann", "ann's", now)
    assert guesses <= 11 + now / 60


def test_attempts_are_counted_by_how_they_ended() -> None:
    """Each one once."""
    throttle = LoginThrottle()
    for _ in range(3):
        assert throttle.check("ada", "here", None, 0.0) is None
    throttle.failed("ada", "here", None, 0.0)
    throttle.succeeded("ada", None, 0.0)
    throttle.not_judged("ada", None, 0.0)
    while throttle.check("bob", "here", None, 0.0) is None:
        throttle.failed("bob", "here", None, 0.0)
    outcomes = throttle.outcomes()
    assert (outcomes["right"], outcomes["not_looked_at"], outcomes["told_to_wait"]) == (1, 1, 1)
    assert outcomes["wrong"] > 1
