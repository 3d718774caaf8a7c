"""Reading the parameters of an address: everything that is wrong is told at once, by name."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, NoReturn

from werkzeug.exceptions import UnprocessableEntity

from stockstream.quotes import InvalidSymbol, Symbol, parse_symbol
from stockstream.times import to_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_SHOWN = 32
_MOST_UNKNOWN = 10  # told by name; an address of 16 KB can hold thousands


class InvalidParameterError(UnprocessableEntity):
    """Parameters that cannot be served. `fields` tells by name what is wrong with each."""

    word: ClassVar[str] = "invalid_parameter"

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


class Parameters:
    """The parameters of one request. What cannot be read is noted; `check` raises it."""

    def __init__(self, given: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
        self._given = given
        self.wrong: dict[str, str] = {}
        for name in given:
            if name not in known and len(self.wrong) < _MOST_UNKNOWN:
                there = ", ".join(known)
                self.wrong[name[:_SHOWN]] = f"no such parameter; there are {there}"

    def text(self, name: str) -> str | None:
        """A parameter as it stands there, once at most."""
        found = self._given.get(name, ())
        if len(found) > 1:
            self.wrong[name] = f"given {len(found)} times"
        return found[0] if found else None

    def whole(self, name: str, *, least: int, most: int, usual: int) -> int:
        """A whole number in a range."""
        text = self.text(name)
        if text is None:
            return usual
        if text.isascii() and text.isdecimal() and least <= int(text[:9]) <= most and len(text) < 9:
            return int(text)
        self.wrong[name] = f"a whole number from {least} to {most}, not {text[:_SHOWN]!r}"
        return usual

    def one_of(self, name: str, choices: Collection[str], usual: str) -> str:
        """One of some words."""
        text = self.text(name)
        if text is None or text in choices:
            return text or usual
        self.wrong[name] = f"one of {', '.join(choices)}, not {text[:_SHOWN]!r}"
        return usual

    def moment(self, name: str, usual: int) -> int:
        """A time in ISO 8601 with its zone, as ms since 1970."""
        text = self.text(name)
        if text is None:
            return usual
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            parsed = None
        if parsed is not None and parsed.tzinfo is not None and 1970 <= parsed.year < 9999:
            return to_ms(parsed)
        self.wrong[name] = (
            f"a time with its zone, such as 2026-11-22T10:00:00Z, not {text[:_SHOWN]!r}"
        )
        return usual

    def symbols(self, name: str, *, most: int) -> list[Symbol] | None:
        """Symbols with commas between, each once; None when the parameter is not given."""
        text = self.text(name)
        if text is None:
            return None
        given = text.split(",", most)
        if len(given) > most:
            self.wrong[name] = f"at most {most} symbols"
            return []
        try:
            return list(dict.fromkeys(map(parse_symbol, given)))
        except InvalidSymbol as error:
            self.wrong[name] = f"{error.given!r}: {error.reason}"
            return []

    def symbol(self, text: str) -> Symbol:
        """The symbol that stands in the path."""
        try:
            return parse_symbol(text)
        except InvalidSymbol as error:
            self.wrong["symbol"] = f"{error.given!r}: {error.reason}"
            return Symbol("")

    def check(self) -> None:
        """Pass when nothing was wrong.

        Raises:
            InvalidParameterError: naming everything that was.
        """
        if self.wrong:
            raise InvalidParameterError(self.wrong)

    def refuse(self, name: str, why: str) -> NoReturn:
        """Raise for one parameter."""
        raise InvalidParameterError({**self.wrong, name: why})
