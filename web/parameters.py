"""The parameters of an address, each declared once: how it is read, and what the document says.

A route declares its parameters, and is handed an `Asked` of them: what it did not declare it cannot
read. Everything that is wrong is told at once, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar, cast, overload

from quart import request

from stockstream.quotes import SYMBOL_PATTERN, SYMBOLS_PATTERN, InvalidSymbol, Symbol, parse_symbol
from stockstream.times import to_ms
from web.answers import FieldsError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Collection, Mapping, Sequence

    from werkzeug.exceptions import HTTPException

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Word = TypeVar("Word", bound=str)

_SHOWN = 32
_MOST_UNKNOWN = 10  # told by name; an address of 16 KB can hold thousands


class Wrong(ValueError):
    """A text that cannot be served, and what would be good; it goes to the caller."""


class InvalidParameterError(FieldsError):
    """Parameters that cannot be served. `fields` says by name what is wrong with each."""

    word: ClassVar[str] = "invalid_parameter"


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Generic[T_co]):
    """A parameter of an address. `schema` is JSON Schema, with its bounds and its default.

    `read` gets the texts that are given under the name, none or several, and what was read of the
    parameters that are declared before this one. It raises `Wrong`, or `error` itself.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    read: Callable[[Sequence[str], Asked], T_co]
    place: Literal["path", "query"] = "query"
    required: bool = False
    error: type[HTTPException] = InvalidParameterError


class Asked:
    """What a request asks, by the parameters that its route declares."""

    def __init__(self) -> None:
        self._values: dict[Parameter[object], object] = {}

    def __getitem__(self, parameter: Parameter[T]) -> T:
        """The value of a parameter.

        Raises:
            KeyError: the route does not declare it.
        """
        return cast("T", self._values[parameter])

    def get(self, parameter: Parameter[T]) -> T | None:
        """The same where it may be missing: for parameters that depend on others."""
        return cast("T | None", self._values.get(parameter))

    def put(self, parameter: Parameter[T], value: T) -> None:
        """Note what was read."""
        self._values[parameter] = value


def read_parameters(
    parameters: Sequence[Parameter[object]],
    path: Mapping[str, str],
    query: Mapping[str, Sequence[str]],
) -> Asked:
    """Read all parameters of a request, in the order in which they are declared.

    An unknown one in the query is wrong where the route declares any there.

    Raises:
        InvalidParameterError: naming everything that is wrong.
    """
    asked = Asked()
    known = [parameter.name for parameter in parameters if parameter.place == "query"]
    unknown = [name for name in query if known and name not in known]
    there = ", ".join(known)
    wrong = {
        name[:_SHOWN]: f"no such parameter; there are {there}" for name in unknown[:_MOST_UNKNOWN]
    }
    for parameter in parameters:
        given = query.get(parameter.name, ())
        if parameter.place == "path":
            given = (path[parameter.name],)
        try:
            asked.put(parameter, parameter.read(given, asked))
        except Wrong as error:
            wrong[parameter.name] = str(error)
    if wrong:
        raise InvalidParameterError(wrong)
    return asked


def read_query(*parameters: Parameter[object]) -> Asked:
    """Read the query of the request at hand, for a route that no document describes.

    Raises:
        InvalidParameterError: naming everything that is wrong.
    """
    return read_parameters(parameters, {}, request.args.to_dict(flat=False))


# What a text may say


def once(given: Sequence[str]) -> str | None:
    """The text of a parameter that may be given once; None when it is not."""
    if len(given) > 1:
        raise Wrong(f"given {len(given)} times")
    return given[0] if given else None


def read_whole(text: str, least: int, most: int) -> int:
    """A whole number of ASCII digits, in a range."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)):
        number = int(text)
        if least <= number <= most:
            return number
    raise Wrong(f"a whole number from {least} to {most}, not {text[:_SHOWN]!r}")


def read_moment(text: str) -> int:
    """A time in ISO 8601 with its zone, as ms since 1970."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is not None and parsed.tzinfo is not None and 1970 <= parsed.year < 9999:
        return to_ms(parsed)
    raise Wrong(f"a time with its zone, such as 2026-11-22T10:00:00Z, not {text[:_SHOWN]!r}")


def read_symbol(text: str) -> Symbol:
    """A symbol, in capitals or not."""
    try:
        return parse_symbol(text)
    except InvalidSymbol as error:
        raise Wrong(f"{error.given!r}: {error.reason}") from error


# Kinds of parameters


def choice(
    name: str, description: str, choices: Collection[Word], usual: Word | None = None
) -> Parameter[Word]:
    """One of some words; required when none of them is usual."""

    def read(given: Sequence[str], _asked: Asked) -> Word:
        text = once(given)
        if text is None and usual is not None:
            return usual
        for word in choices:
            if text == word:
                return word
        not_that = "missing; " if text is None else ""
        that = "" if text is None else f", not {text[:_SHOWN]!r}"
        raise Wrong(f"{not_that}one of {', '.join(choices)}{that}")

    schema: dict[str, object] = {"type": "string", "enum": list(choices)}
    if usual is not None:
        schema["default"] = usual
    return Parameter(name, description, schema, read, required=usual is None)


@overload
def whole(name: str, description: str, *, least: int, most: int, usual: int) -> Parameter[int]: ...


@overload
def whole(name: str, description: str, *, least: int, most: int) -> Parameter[int | None]: ...


def whole(
    name: str, description: str, *, least: int, most: int, usual: int | None = None
) -> Parameter[int] | Parameter[int | None]:
    """A whole number; without a usual one the description says what stands for it."""

    def read(given: Sequence[str], _asked: Asked) -> int | None:
        text = once(given)
        return usual if text is None else read_whole(text, least, most)

    schema: dict[str, object] = {"type": "integer", "minimum": least, "maximum": most}
    if usual is not None:
        schema["default"] = usual
    return Parameter(name, description, schema, read)


def moment(name: str, description: str) -> Parameter[int | None]:
    """A time with its zone, as ms since 1970."""

    def read(given: Sequence[str], _asked: Asked) -> int | None:
        text = once(given)
        return None if text is None else read_moment(text)

    return Parameter(name, description, {"type": "string", "format": "date-time"}, read)


def cursor(
    name: str, description: str, pattern: re.Pattern[str], parse: Callable[[str], T | None]
) -> Parameter[T | None]:
    """A place in a list, as an answer gave it; `parse` answers None where there is no such one."""

    def read(given: Sequence[str], _asked: Asked) -> T | None:
        text = once(given)
        if text is None:
            return None
        place = parse(text) if pattern.fullmatch(text) else None
        if place is None:
            raise Wrong(f"a cursor that an answer gave, not {text[:_SHOWN]!r}")
        return place

    schema = {"type": "string", "pattern": f"^{pattern.pattern}$"}
    return Parameter(name, description, schema, read)


def symbols(name: str, description: str, *, most: int) -> Parameter[list[Symbol] | None]:
    """Symbols with commas between, each once; None when the parameter is not given."""

    def read(given: Sequence[str], _asked: Asked) -> list[Symbol] | None:
        text = once(given)
        if text is None:
            return None
        texts = text.split(",", most)
        if len(texts) > most:
            raise Wrong(f"at most {most} symbols")
        return list(dict.fromkeys(map(read_symbol, texts)))

    schema = {"type": "string", "pattern": SYMBOLS_PATTERN, "examples": ["AAPL,MSFT"]}
    return Parameter(name, description, schema, read)


def texts(name: str, description: str) -> Parameter[list[str]]:
    """Any texts, in the order in which they are given."""
    schema = {"type": "array", "items": {"type": "string"}}
    return Parameter(name, description, schema, lambda given, _asked: list(given))


SYMBOL = Parameter(
    "symbol",
    "A symbol, in capitals or not.",
    {"type": "string", "pattern": SYMBOL_PATTERN, "examples": ["AAPL"]},
    lambda given, _asked: read_symbol(given[0]),
    place="path",
    required=True,
)
