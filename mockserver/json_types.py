"""What JSON can hold, as a type, and the one way this package reads and writes it."""

import json
import re
from typing import Final, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_DEPTH: Final = 200
"""Lists and objects inside each other. What reads a value calls itself for each, so that more
would exhaust the stack, and any client can send it."""

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_MAX_DIGITS: Final = 1_000
_NUMBER: Final = re.compile(
    rf'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity|-?[0-9]{{{_MAX_DIGITS + 1},}}(?![.eE0-9]))'
)
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[^"\[\]{}]+')


class NotJson(ValueError):
    """The text is not JSON. `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


def read_json(text: str | bytes) -> Json:
    """The value in `text`.

    Raises `NotJson` for anything RFC 8259 does not allow, NaN included, and for what could not be
    written again: half a surrogate pair, a number of thousands of digits, or what is nested more
    than `MAX_DEPTH` deep.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        decoded = decoded.removeprefix("\ufeff")
        _refuse_depth(decoded)
        value: Json = _parsed(decoded)
        if _SURROGATE.search(decoded):
            write_json(value).encode()
    except UnicodeDecodeError as error:
        raise NotJson("the text is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise NotJson("it holds half a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from error
    return value


def write_json(value: Json) -> str:
    """`value` as compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_pretty(value: Json, indent: str = "") -> str:
    """`value` as Jackson prints it for people, which is how WireMock writes it: a member to a
    line, lists in one.
    """
    deeper = f"{indent}  "
    if isinstance(value, dict):
        if not value:
            return "{ }"
        members = (
            f"{deeper}{write_json(name)} : {write_pretty(one, deeper)}"
            for name, one in value.items()
        )
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list):
        if not value:
            return "[ ]"
        return "[ " + ", ".join(write_pretty(one, indent) for one in value) + " ]"
    return write_json(value)


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _TOKEN.finditer(text):
        mark = found.group()
        if mark in {"[", "{"}:
            depth += 1
            if depth > MAX_DEPTH:
                line, column = _place(text, found.start())
                raise NotJson(f"it is nested more than {MAX_DEPTH} deep", line, column)
        elif mark in {"]", "}"}:
            depth -= 1


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


class _BadNumber(Exception):
    """A number as Python reads it and JSON has not, or that is too long; where is not known."""


def _parsed(text: str) -> Json:
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole)
    except _BadNumber as error:
        raise NotJson(str(error), *_place(text, _first_bad_number(text))) from error
    return value


def _first_bad_number(text: str) -> int:
    """Where it begins, outside of all strings; the parser tells its text only."""
    for found in _NUMBER.finditer(text):
        if found.group(1):
            return found.start()
    return 0


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _BadNumber(f"it holds a number of more than {_MAX_DIGITS} digits")
    return int(digits)


def _refuse_constant(name: str) -> Json:
    raise _BadNumber(f"{name} is not a JSON number")
