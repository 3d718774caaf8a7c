"""What is taken for an address of mail: the plain form alone, without quotes, comments or blanks.

Whatever passes goes into the head of a letter and into commands of SMTP, so nothing passes that
means something there.
"""

from __future__ import annotations

import re

LONGEST_ADDRESS = 254
"""RFC 5321 has no room for a longer one between its angle brackets."""
_LONGEST_LOCAL = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


class WrongAddress(ValueError):
    """The text is no address; it says why, for the user."""


def read_address(text: str) -> str:
    """The address, its domain in small letters.

    Raises:
        WrongAddress: it is none.
    """
    if len(text) > LONGEST_ADDRESS:
        raise WrongAddress(f"at most {LONGEST_ADDRESS} characters")
    if not text.isascii():
        raise WrongAddress("ASCII characters only; a domain of others is written as xn--…")
    local, at, domain = text.rpartition("@")
    if not at or _LOCAL.fullmatch(local) is None or len(local) > _LONGEST_LOCAL:
        raise WrongAddress("write name@domain")
    if _DOMAIN.fullmatch(domain) is None or domain.rpartition(".")[2].isdigit():
        raise WrongAddress(f"{domain!r} is no domain")
    return f"{local}@{domain.lower()}"


def masked(address: str) -> str:
    """An address as operators see it: where its mail goes, and not whose it is."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def unnamed(said: str, address: str) -> str:
    """What a server said, with the address masked that it repeats."""
    return re.sub(re.escape(address), lambda _: masked(address), said, flags=re.IGNORECASE)
