"""What a browser carries while it logs in elsewhere."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest

from stockstream.users.oidc.attempts import ATTEMPT_SECONDS, Attempts, BadState

HERE = "https://prices.example/login/oidc/return"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(["a secret of the tests"], clock)


def test_what_was_begun_is_resumed_with_its_verifier_and_nonce(attempts):
    begun = attempts.begin(None, HERE, "/s/AAPL")
    resumed = attempts.resume(begun.cookie, begun.state, HERE)
    digest = hashlib.sha256(resumed.verifier.encode()).digest()
    assert urlsafe_b64encode(digest).rstrip(b"=").decode() == begun.challenge
    assert (resumed.nonce, resumed.onward) == (begun.nonce, "/s/AAPL")
    assert 43 <= len(resumed.verifier) <= 128


def test_nothing_that_proves_the_browser_leaves_in_the_address(attempts):
    begun = attempts.begin(None, HERE, "/")
    verifier = attempts.resume(begun.cookie, begun.state, HERE).verifier
    binding = begun.cookie.partition(".")[0]
    for secret in (verifier, binding):
        assert secret not in begun.state + begun.nonce + begun.challenge
    assert verifier not in begun.cookie


def test_two_tabs_are_under_way_at_once(attempts):
    one = attempts.begin(None, HERE, "/s/AAPL")
    two = attempts.begin(one.cookie, HERE, "/s/MSFT")
    assert attempts.resume(two.cookie, one.state, HERE).onward == "/s/AAPL"
    assert attempts.resume(two.cookie, two.state, HERE).onward == "/s/MSFT"
    assert len({one.nonce, two.nonce, one.state, two.state}) == 4


def test_another_node_with_the_same_secret_resumes(attempts, clock):
    begun = attempts.begin(None, HERE, "/")
    other = Attempts(["a secret of the tests"], clock)
    assert other.resume(begun.cookie, begun.state, HERE).nonce == begun.nonce


@pytest.mark.parametrize(
    "forge",
    [
        lambda begun, other: (None, begun.state),
        lambda begun, other: ("", begun.state),
        lambda begun, other: ("a.b.c", begun.state),
        lambda begun, other: (begun.cookie[:-1] + "A", begun.state + "A"),
        lambda begun, other: (other.cookie, begun.state),
        lambda begun, other: (begun.cookie, other.state),
        lambda begun, other: (begun.cookie, ""),
        lambda begun, other: (begun.cookie, "no state"),
        lambda begun, other: (begun.cookie, "ünicode"),
        lambda begun, other: (begun.cookie, begun.state[:40] + "A" + begun.state[41:]),
        lambda begun, other: (begun.cookie, begun.state * 100),
    ],
)
def test_what_belongs_to_another_browser_or_nobody_is_refused(attempts, forge):
    begun, other = attempts.begin(None, HERE, "/"), attempts.begin(None, HERE, "/")
    cookie, state = forge(begun, other)
    with pytest.raises(BadState):
        attempts.resume(cookie, state, HERE)


def test_an_answer_at_another_address_is_refused(attempts):
    begun = attempts.begin(None, HERE, "/")
    with pytest.raises(BadState, match="another address"):
        attempts.resume(begun.cookie, begun.state, "https://evil.example/login/oidc/return")


def test_a_login_ends_after_ten_minutes_also_with_a_newer_cookie(attempts, clock):
    old = attempts.begin(None, HERE, "/")
    clock.ms += (ATTEMPT_SECONDS - 1) * 1000
    newer = attempts.begin(old.cookie, HERE, "/")
    clock.ms += 2000
    for cookie in (old.cookie, newer.cookie):
        with pytest.raises(BadState, match="too long"):
            attempts.resume(cookie, old.state, HERE)
    assert attempts.resume(newer.cookie, newer.state, HERE)


def test_with_another_secret_nothing_is_believed(attempts, clock):
    begun = attempts.begin(None, HERE, "/")
    with pytest.raises(BadState):
        Attempts(["another secret"], clock).resume(begun.cookie, begun.state, HERE)


def test_what_was_begun_with_the_key_of_before_is_finished(attempts, clock):
    """While `SECRET_KEY_BASE` is replaced."""
    begun = attempts.begin(None, HERE, "/")
    both = Attempts(["the next secret", "a secret of the tests"], clock)
    assert both.resume(begun.cookie, begun.state, HERE).nonce == begun.nonce
    anew = both.begin(begun.cookie, HERE, "/")
    assert Attempts(["the next secret"], clock).resume(anew.cookie, anew.state, HERE)
