"""Tokens and sessions of operators, on clocks that the test moves."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from web.cookies import Instance
from web.users.break_glass import (
    FAILURES,
    FAILURES_SECONDS,
    MOST_ENDED,
    MOST_HOLDERS,
    SESSION_SECONDS,
    AdminAccess,
    Login,
    TooManyFailures,
)

TOKEN = "the-token-of-this-test"
SECRET = "the-secret-of-this-test-which-signs-sessions"


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, token: str = TOKEN, secret: str = SECRET) -> AdminAccess:
    return AdminAccess(token, secret, Instance("a1b2c3d4e5f6"), wall_clock=clock, monotonic=clock)


def test_a_session_is_good_for_hours_and_not_for_longer(clock: Clock) -> None:
    """The cookie opens until it expires; what it says itself does not help it."""
    access = make(clock)
    login, cookie = access.log_in()
    clock.now += SESSION_SECONDS - 1
    assert access.login_of(cookie) == login
    clock.now += 1
    assert access.login_of(cookie) is None
    id_, expires, signature = cookie.split(".")
    assert access.login_of(f"{id_}.{int(expires) + 3600}.{signature}") is None


@pytest.mark.parametrize(
    "cookie", ["", ".", "..", "a.b.c", "a.99999999999.", "é.1.2", "a" * 10_000, "x.1.2.3"]
)
def test_a_forged_cookie_opens_nothing(clock: Clock, cookie: str) -> None:
    """Whatever is sent, the answer is a plain no."""
    assert make(clock).login_of(cookie) is None


def test_another_token_or_secret_ends_every_session(clock: Clock) -> None:
    """Who changes ADMIN_TOKEN or SECRET_KEY_BASE has logged everybody out."""
    _, cookie = make(clock).log_in()
    assert make(clock).login_of(cookie) is not None, "a restart of the server does not"
    assert make(clock, token="another-token-12345").login_of(cookie) is None
    assert make(clock, secret="another secret, of the right length!").login_of(cookie) is None


def test_a_session_logged_out_is_closed_to_copies_of_its_cookie(clock: Clock) -> None:
    """Logging out is more than forgetting the cookie; other sessions go on."""
    access = make(clock)
    login, cookie = access.log_in()
    _, other = access.log_in()
    access.log_out(login)
    assert access.login_of(cookie) is None
    assert access.login_of(other) is not None


def test_what_is_remembered_of_ended_sessions_is_bounded(clock: Clock) -> None:
    """Logging in and out all day fills no memory."""
    access = make(clock)
    for _ in range(MOST_ENDED + 50):
        access.log_out(access.log_in()[0])
    assert len(access._ended) == MOST_ENDED
    clock.now += SESSION_SECONDS + 1
    access.log_out(access.log_in()[0])
    assert len(access._ended) == 1


def test_after_too_many_wrong_tokens_a_holder_is_told_to_wait(clock: Clock) -> None:
    """The first time is news, until it was wrong anew; others are not counted with it."""
    check = make(clock).check_token
    for _ in range(FAILURES):
        assert not check("wrong", "a")
    for news in (True, False, False):
        with pytest.raises(TooManyFailures, match="wait 20 s") as raised:
            check("wrong", "a")
        assert (raised.value.seconds, raised.value.news) == (20, news)
    assert not check("wrong", "b")
    clock.now += FAILURES_SECONDS - 0.5
    with pytest.raises(TooManyFailures, match="wait 1 s"):
        check("wrong", "a")
    clock.now += 0.5
    assert not check("wrong", "a")


def test_the_right_token_passes_however_many_were_wrong(clock: Clock) -> None:
    """Its own holder's or another's: a lock that anybody can turn locks out the wrong people."""
    check = make(clock).check_token
    for _ in range(FAILURES):
        check("wrong", "a")
    with pytest.raises(TooManyFailures):
        check("wrong", "a")
    assert check(TOKEN, "a")
    assert check(TOKEN, "b")
    with pytest.raises(TooManyFailures):
        check("wrong", "a")


def test_wrong_tokens_now_and_then_are_no_attack(clock: Clock) -> None:
    """Failures farther apart than the window are told to be wrong, each of them."""
    check = make(clock).check_token
    for _ in range(100):
        clock.now += FAILURES_SECONDS / (FAILURES - 1)
        assert not check("wrong", "a")


def test_what_is_remembered_of_wrong_tokens_is_bounded(clock: Clock) -> None:
    """Who was wrong longest ago is forgotten first."""
    check = make(clock).check_token
    for _ in range(FAILURES):
        check("wrong", "first")
    for number in range(MOST_HOLDERS):
        check("wrong", f"10.0.{number // 256}.{number % 256}")
    assert len(check._wrong) == MOST_HOLDERS
    assert not check("wrong", "first")


def test_a_csrf_token_is_its_sessions_own(clock: Clock) -> None:
    """One session's token does not pass for another's, nor does a signature of the cookie."""
    access = make(clock)
    mine, cookie = access.log_in()
    other, _ = access.log_in()
    assert access.check_csrf(mine, access.csrf_token(mine))
    for wrong in ("", "é", access.csrf_token(other), cookie.rpartition(".")[2]):
        assert not access.check_csrf(mine, wrong)


def test_other_tokens_end_what_was_let_in_by_those_before(clock: Clock) -> None:
    """The old token, its sessions and the old token of chaos open nothing any more."""
    access = make(clock)
    _, cookie = access.log_in()
    assert access.check_chaos_token("")
    access.renew("another-token-of-this-test", "for-chaos")
    assert access.login_of(cookie) is None
    assert not access.check_token(TOKEN, "holder")
    assert access.check_token("another-token-of-this-test", "holder")
    assert not access.check_chaos_token("")
    assert access.check_chaos_token("for-chaos")
    access.renew(TOKEN, None)
    assert access.login_of(cookie) is not None, "the key is made of both, as after a restart"
    assert access.check_chaos_token("")


def test_a_session_of_the_version_before_goes_on(clock: Clock) -> None:
    """Its cookie was signed in hexadecimal; name and value as that version made them."""
    access = make(clock)
    name = "stockstream_admin_a1b2c3d4e5f6_d5d1ff"
    signature = "c224083db23d41380443d53f9f83e675c03de6a1ac9dc6f24765481401572cc7"
    found = access.found(MultiDict([(name, f"JQx0289g6d7uSG2A.1028800.{signature}")]))
    assert found == (Login("JQx0289g6d7uSG2A", 1_028_800), name)
    assert access.login_of(f"JQx0289g6d7uSG2A.1028801.{signature}") is None


def test_a_session_outlives_the_key_that_signed_it(clock: Clock) -> None:
    """While the key before is known: signed anew, with the time it had left and not more.

    A page that was open then has its token still; the one that was signed anew has another.
    """
    new_secret = "the-secret-that-replaces-it-which-signs-sessions"
    before = make(clock)
    login, cookie = before.log_in()
    both = AdminAccess(
        TOKEN, new_secret, Instance("a1b2c3d4e5f6"), previous=SECRET, wall_clock=clock
    )
    clock.now += 100
    found = both.found(MultiDict([(before.cookie.name, cookie)]))
    assert found is not None
    old, name = found
    assert (old.id, name) == (login.id, before.cookie.name)
    assert both.check_csrf(old, before.csrf_token(login))
    anew = both.signed_anew(old)
    assert anew is not None
    assert (anew.login, anew.seconds) == (login, SESSION_SECONDS - 100)
    assert not both.check_csrf(anew.login, before.csrf_token(login))
    assert both.signed_anew(anew.login) is None
    after = make(clock, secret=new_secret)
    assert after.login_of(anew.cookie) == login
    assert after.login_of(cookie) is None
    both.log_out(anew.login)
    assert both.login_of(cookie) is None, "a copy of the old one, too"
