"""Which providers there are, and which of them tells which symbols: `PROVIDERS` and `ROUTES`. Pure.

What is written is read here; whether a provider of a scheme is known, and what options it has, is
known to the market's part. No message repeats an address: it may hold a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from stockstream.masks import without_secrets
from stockstream.quotes import InvalidSymbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.quotes import Symbol

_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_FIRST = re.compile(rf"({_NAME})=([a-z][a-z0-9+.-]*://.*)", re.DOTALL)
_NEXT = re.compile(r",\s*(?=[^,=\s]*=[A-Za-z][A-Za-z0-9+.-]*://)")
"""An address may hold commas; the next provider begins with its name."""
ANY = "*"


class InvalidSources(ValueError):
    """What is written in `PROVIDERS` or `ROUTES` cannot be meant; the message names the part."""


@dataclass(frozen=True, slots=True)
class Source:
    """A provider by its `name`, at an address. Anybody may read the name."""

    name: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}={without_secrets(self.url)}"

    @property
    def scheme(self) -> str:
        """What the address begins with, in small letters."""
        return self.url.partition("://")[0].lower()

    @property
    def key_variable(self) -> str:
        """The environment variable of its key; with `_FILE` after it, that of the key's file."""
        return f"{self.name.upper().replace('-', '_')}_API_KEY"

    @property
    def secret_variable(self) -> str:
        """That of what belongs to the key, where a provider gives out two texts."""
        return f"{self.name.upper().replace('-', '_')}_API_SECRET"

    @property
    def options(self) -> Mapping[str, str]:
        """What its address says after the `?`."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


class Route(msgspec.Struct, frozen=True):
    """Who tells the symbols of a pattern: the first of `names`, and where that fails the next.

    `prefix` is how they begin; where it is `whole`, it is the one symbol.
    """

    prefix: str
    whole: bool
    names: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """As it is written."""
        return self.prefix if self.whole else f"{self.prefix}*"

    def fits(self, symbol: Symbol) -> bool:
        """Whether it is of this symbol."""
        return symbol == self.prefix if self.whole else symbol.startswith(self.prefix)

    def __str__(self) -> str:
        return f"{self.pattern}={','.join(self.names)}"


def read_providers(text: str) -> tuple[Source, ...]:
    """Read ``us=alpaca://?feed=iex, crypto=kraken://``.

    Raises:
        InvalidSources: a name or an address is missing or wrong, or a name is there twice.
    """
    found: dict[str, Source] = {}
    for number, part in enumerate(_NEXT.split(text.strip().strip(",")), 1):
        written = _FIRST.fullmatch(part.strip())
        if written is None:
            name = part.partition("=")[0].strip()
            whose = f"provider {number}" if "://" in name else f"{name[:32]!r}"
            raise InvalidSources(
                f"{whose} is not written as name=scheme://…; a name is 1 to 32 of a-z, 0-9, "
                "_ and -, the first a letter or a digit"
            )
        source = Source(*written.groups())
        if source.name in found:
            raise InvalidSources(f"{source.name} is there twice")
        found[source.name] = source
    variables = [source.key_variable for source in found.values()]
    for variable in variables:
        if variables.count(variable) > 1:
            raise InvalidSources(f"two names have the same key, {variable}; take another name")
    return tuple(found.values())


def read_routes(text: str) -> tuple[Route, ...]:
    """Read ``CRYPTO:*=crypto, *=us,us2``: longest prefix first, as they are looked at.

    Raises:
        InvalidSources: a pattern or a list of names is missing or wrong, or a pattern is there
            twice.
    """
    found: list[Route] = []
    pattern, names = "", list[str]()
    for part in [*text.split(","), None]:
        if part is None or "=" in part:
            if pattern:
                found.append(_route(pattern, names))
            elif names:
                raise InvalidSources(f"{names[0]!r} is not written as pattern=name")
            if part is None:
                break
            # A symbol may have a `=` in it, a name has none.
            pattern, _, name = (piece.strip() for piece in part.rpartition("="))
            if not pattern:
                raise InvalidSources(f"{part.strip()!r} has no pattern; `*` is all symbols")
            names = [name]
        elif part.strip():
            names.append(part.strip())
    patterns = [route.pattern for route in found]
    for twice in patterns:
        if patterns.count(twice) > 1:
            raise InvalidSources(f"{twice} is there twice; write its providers in one list")
    return tuple(sorted(found, key=lambda route: (not route.whole, -len(route.prefix))))


def _route(pattern: str, names: list[str]) -> Route:
    prefix = pattern.removesuffix(ANY)
    try:
        # In the middle of a symbol all that a symbol may hold may stand, so it is read as one.
        known = parse_symbol(prefix) if prefix else ""
    except InvalidSymbol as error:
        raise InvalidSources(
            f"{pattern[:40]!r} is no symbol, nor the beginning of one and `*`: {error.reason}"
        ) from None
    if not all(re.fullmatch(_NAME, name) for name in names):
        raise InvalidSources(f"{pattern} has no provider's name after the `=`")
    if len(set(names)) < len(names):
        raise InvalidSources(f"{pattern} names a provider twice")
    return Route(known, not pattern.endswith(ANY), tuple(names))


def routes_of(sources: Iterable[Source], written: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes by which `sources` are used; with a single one, all symbols come from it.

    Raises:
        InvalidSources: a route names none of them, one is in no route, or there is no route.
    """
    names = [source.name for source in sources]
    if not written and len(names) == 1:
        return (Route("", whole=False, names=(names[0],)),)
    if not written:
        raise InvalidSources(
            f"which symbols come from which of {', '.join(names)} has to be said, as "
            f"BTC-*={names[0]}, *={names[1]}"
        )
    used = [name for route in written for name in route.names]
    for name in used:
        if name not in names:
            raise InvalidSources(f"{name} is none of PROVIDERS ({', '.join(names)})")
    for name in names:
        if name not in used:
            raise InvalidSources(f"{name} of PROVIDERS is in no route")
    return written
