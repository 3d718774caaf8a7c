"""How long a client may keep us waiting for a body."""

import pytest

from web.server.allowance import BodyAllowance


def test_a_pause_is_as_long_as_it_may_be_after_any_number_of_bytes() -> None:
    allowance = BodyAllowance(pause=30, rate=500)
    assert allowance.after(waited=0, received=1_000_000) == 30
    assert allowance.after(waited=29, received=1_000_000) == 30


def test_who_sends_as_fast_as_it_must_goes_on_for_ever() -> None:
    allowance = BodyAllowance(pause=30, rate=500)
    assert all(allowance.after(waited=10, received=5_000) == 30 for _ in range(1_000))


def test_a_byte_now_and_then_uses_the_time_up() -> None:
    """One in 5 s, as a client that means to hold its connection sends them."""
    allowance = BodyAllowance(pause=30, rate=500)
    left = [allowance.after(waited=5, received=1) for _ in range(6)]
    assert left == [pytest.approx(30 - 5 * (n + 1) + (n + 1) / 500) for n in range(6)]
