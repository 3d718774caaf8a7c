"""What JSON can hold, as a type, and the one way this package reads it."""

import json
import re
from typing import Final, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


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
    written again: half a surrogate pair, or a number of thousands of digits.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: Json = json.loads(decoded.removeprefix("\ufeff"), parse_constant=_refuse_constant)
        if _SURROGATE.search(decoded):
            write_json(value).encode()
    except UnicodeDecodeError as error:
        raise NotJson("the text is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise NotJson("it holds half a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from error
    except NotJson:
        raise
    except ValueError as error:  # Python refuses to convert integers of thousands of digits
        raise NotJson(str(error)) from error
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    return value


def write_json(value: Json) -> str:
    """`value` as compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _refuse_constant(name: str) -> Json:
    raise NotJson(f"{name} is not a JSON number")
