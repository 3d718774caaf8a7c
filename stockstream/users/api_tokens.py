"""API tokens as texts: how one is made, known again and checked. Pure.

A token is `ss_KEY_SECRETCHECK`: a key of 8 characters, which names it and is no secret, 32 random
characters, and 6 for the checksum of all before. By prefix and checksum a scanner of secrets finds
one that somebody has published, and takes nothing else for one.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib
from typing import NamedTuple

from stockstream.users.sessions import digest_of

PREFIX = "ss_"
KEY_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 8, 32, 6
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""32 of these are 190 bits."""
PATTERN = f"{PREFIX}([0-9A-Za-z]{{{KEY_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}"
_TOKEN = re.compile(PATTERN)


class NewToken(NamedTuple):
    """A token that was just made: its text, which is shown once, and what is kept of it."""

    text: str
    key: str
    digest: bytes


def new_key() -> str:
    """The key of a token that may be made."""
    return _random(KEY_LENGTH)


def is_key(text: str) -> bool:
    """Whether a token can have this key."""
    return len(text) == KEY_LENGTH and set(text) <= set(ALPHABET)


def new_token(key: str | None = None) -> NewToken:
    """A new one, of that key where one is given."""
    key = key or new_key()
    begin = f"{PREFIX}{key}_{_random(SECRET_LENGTH)}"
    text = begin + checksum(begin)
    return NewToken(text, key, digest_of(text))


def looks_like_token(text: str) -> bool:
    """Whether somebody means it as one, right or not."""
    return text.startswith(PREFIX)


def key_of(text: str) -> str | None:
    """The key of what can be a token; None of any other text, one that was mistyped say."""
    found = _TOKEN.fullmatch(text)
    if found is None or checksum(text[:-CHECK_LENGTH]) != text[-CHECK_LENGTH:]:
        return None
    return found[1]


def checksum(text: str) -> str:
    """The CRC-32 in six digits to the base of 62."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
