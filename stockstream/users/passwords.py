"""Passwords: hashed with argon2id, in a thread, a few at a time; and which may be chosen.

A hash takes tens of megabytes and of milliseconds on purpose. So only two are worked out at a time,
few may wait, and more are refused: a flood of logins takes no more memory than that. A name that no
account has costs the same work as a wrong password, so the time tells nobody who has an account.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, TypeVar

import trio
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

SHORTEST, LONGEST = 8, 128
"""Characters of a password."""
AT_ONCE = 2
MOST_WAITING = 20
SALT_BYTES, HASH_BYTES = 16, 32


class TooBusy(Exception):
    """So many passwords wait to be hashed that one more would wait too long; ask again later."""

    retry_after = 1.0


class BadPassword(ValueError):
    """The password may not be chosen; the text says why."""


@dataclass(frozen=True, slots=True)
class ArgonSettings:
    """What a hash costs: `memory` in KiB, passes over it, lanes. As RFC 9106 has it for machines
    that have little memory.
    """

    memory: int = 65_536
    time: int = 3
    parallelism: int = 4


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """Passwords being hashed and waiting now; how many there were, and were refused, in all."""

    working: int
    waiting: int
    done: int
    refused: int


class Passwords:
    """Hashes and verifies; one for the process."""

    def __init__(self, settings: ArgonSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.time,
            memory_cost=settings.memory,
            parallelism=settings.parallelism,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )
        self._nobodys = _nobodys_hash(settings)
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._there = self._done = self._refused = 0

    async def hash(self, password: str) -> str:
        """The hash of a password, with all that is needed to verify it.

        Raises:
            TooBusy: too many wait.
        """
        return await self._in_line(partial(self._hasher.hash, _bytes(password)))

    async def verify(self, stored: str | None, given: str) -> bool:
        """Whether the password is the one of that hash; never where there is none, which takes as
        long.

        Raises:
            TooBusy: too many wait.
        """
        is_right = await self._in_line(
            partial(_verify, self._hasher, stored or self._nobodys, _bytes(given))
        )
        return is_right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made by other settings."""
        return self._hasher.check_needs_rehash(stored)

    def statistics(self) -> LineStatistics:
        """How the line is."""
        working = self._limiter.borrowed_tokens
        return LineStatistics(working, self._there - working, self._done, self._refused)

    async def _in_line(self, work: Callable[[], R]) -> R:
        if self._there >= AT_ONCE + MOST_WAITING:
            self._refused += 1
            raise TooBusy(f"{MOST_WAITING} passwords wait to be looked at; try again in a moment")
        self._there += 1
        try:
            # A thread cannot be stopped: a caller that goes away waits for it, and keeps its place.
            done = await trio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._there -= 1
        self._done += 1
        return done


def _verify(hasher: PasswordHasher, stored: str, given: bytes) -> bool:
    try:
        return hasher.verify(stored, given)
    except (Argon2Error, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    # As it is: nothing is cut, folded or made of another form.
    return password.encode("utf-8", "surrogatepass")


def _nobodys_hash(settings: ArgonSettings) -> str:
    """A hash that no password has, and that costs as much to verify as one that some has."""

    def part(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")

    costs = f"m={settings.memory},t={settings.time},p={settings.parallelism}"
    return f"$argon2id$v=19${costs}${part(SALT_BYTES)}${part(HASH_BYTES)}"


def new_password() -> str:
    """One for somebody who is to change it."""
    return secrets.token_urlsafe(12)


def check_password(password: str, name: str) -> None:
    """Check a password that the account of that name is to have.

    Raises:
        BadPassword: it may not be chosen.
    """
    if len(password) < SHORTEST:
        raise BadPassword(f"at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise BadPassword(f"at most {LONGEST} characters")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise BadPassword("holds half a character, which cannot be typed again")
    folded = password.casefold()
    if folded in common_passwords():
        raise BadPassword("is among the passwords that are tried first; take another one")
    if folded.strip() == name.casefold() or "stockstream" in folded:
        raise BadPassword("is the account's name or this program's, which is tried first")


@cache
def common_passwords() -> frozenset[str]:
    """Those that are tried first; read once in a process."""
    text = resources.files("stockstream.users").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())
