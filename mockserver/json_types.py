"""What JSON can hold, as a type, and the one way this package reads it."""

import json
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class NotJson(ValueError):
    """The text is not JSON. `line` and `column` count from 1."""

    def __init__(self, problem: str, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


def read_json(text: str | bytes) -> Json:
    """The value in `text`. Raises `NotJson` for anything RFC 8259 does not allow, NaN included."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: Json = json.loads(decoded.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise NotJson("the text is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    return value


def write_json(value: Json) -> str:
    """`value` as compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _refuse_constant(name: str) -> Json:
    raise NotJson(f"{name} is not a JSON number")
