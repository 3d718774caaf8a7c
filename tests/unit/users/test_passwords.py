"""Passwords: which may be chosen, how they are verified, and how many at a time."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio
import trio.testing

from stockstream.users.passwords import (
    AT_ONCE,
    MOST_WAITING,
    ArgonSettings,
    BadPassword,
    Passwords,
    TooBusy,
    check_password,
    new_password,
)
from tests.support.accounts import CHEAP

GOOD = "correct horse battery staple"


async def test_a_password_is_verified_as_it_was_given() -> None:
    """Nothing is cut, folded or made of another form; a hash that is none is wrong."""
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await passwords.verify(stored, GOOD)
    for wrong in (GOOD.title(), GOOD + " ", GOOD[:-1], "", "x" * 10_000, "\ud800"):
        assert not await passwords.verify(stored, wrong)
    assert not await passwords.verify("not a hash", GOOD)
    composed, parts = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert not await passwords.verify(await passwords.hash(composed), parts)
    long = "a" * 127
    assert not await passwords.verify(await passwords.hash(long + "b"), long + "c")


async def test_nobody_has_the_password_of_nobody() -> None:
    """Without an account the same work is done, for nothing."""
    passwords = Passwords(CHEAP)
    assert not await passwords.verify(None, GOOD)
    assert passwords.statistics().done == 1
    assert not passwords.needs_rehash(passwords._nobodys)


async def test_a_hash_of_other_settings_is_good_and_made_anew() -> None:
    """So `ARGON2_…` may be changed."""
    stored = await Passwords(CHEAP).hash(GOOD)
    other = Passwords(ArgonSettings(memory=8_192, time=2, parallelism=1))
    assert await other.verify(stored, GOOD)
    assert other.needs_rehash(stored)
    assert not Passwords(CHEAP).needs_rehash(stored)


async def test_few_are_hashed_at_a_time_few_wait_and_more_are_refused() -> None:
    """One that goes away leaves its place, and the others come to their turn."""
    passwords, gate, done = Passwords(CHEAP), threading.Event(), 0

    async def one() -> None:
        nonlocal done
        assert await passwords._in_line(partial(gate.wait, 10))
        done += 1

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def impatient() -> None:
            with scope:
                await one()

        for _ in range(AT_ONCE + MOST_WAITING - 1):
            nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(impatient)
        await trio.testing.wait_all_tasks_blocked()
        line = passwords.statistics()
        assert (line.working, line.waiting) == (AT_ONCE, MOST_WAITING)
        with pytest.raises(TooBusy):
            await passwords.verify(None, GOOD)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert passwords.statistics().waiting == MOST_WAITING - 1
        gate.set()
    assert done == AT_ONCE + MOST_WAITING - 1
    assert (passwords.statistics().waiting, passwords.statistics().refused) == (0, 1)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short12", "at least 8"),
        ("x" * 129, "at most 128"),
        ("iloveyou", "tried first"),
        ("PASSWORD1", "tried first"),
        ("annabelle-b", "name"),
        ("StockStream2026", "program"),
        ("half a \ud83d character", "half a character"),
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str, why: str) -> None:
    """The reason says what to change."""
    with pytest.raises(BadPassword, match=why):
        check_password(password, "Annabelle-B")


@pytest.mark.parametrize(
    "password", ["12 34 56 78 9!", "пароль-длинный", "🔑🔑🔑🔑🔑🔑🔑🔑", "x" * 128]
)
def test_any_characters_will_do(password: str) -> None:
    """No kinds of them are demanded."""
    check_password(password, "ann")


def test_a_new_password_may_be_chosen() -> None:
    """It is drawn at random."""
    assert new_password() != new_password()
    check_password(new_password(), "ann")
