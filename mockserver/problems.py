"""Reading a JSON document that people write: each value knows where it stands.

`Reader` wraps one value. What is wrong raises `FieldError` with the place; what is only not
supported is a `Notice` in a list the readers of one document share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mockserver.json_types import Json

Pointer: TypeAlias = tuple[str | int, ...]


def dotted(pointer: Pointer) -> str:
    """`pointer` as people write it: `mappings[0].request.url`."""
    text = ""
    for step in pointer:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text or "the document"


class FieldError(ValueError):
    """A value of a stub mapping is wrong; `pointer` says which."""

    def __init__(self, pointer: Pointer, problem: str) -> None:
        super().__init__(f"{dotted(pointer)}: {problem}")
        self.pointer = pointer
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Notice:
    """Something of a stub mapping that is accepted and will not do what its author wants.

    `grave` marks what is sure to fail: a stub file is refused for it. The admin API takes it, as
    WireMock does, and the stub answers 500.
    """

    pointer: Pointer
    problem: str
    grave: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.pointer)}: {self.problem}"


_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


def kind_of(value: Json) -> str:
    """What `value` is, in words."""
    return _KINDS.get(type(value), "a number")


@dataclass(frozen=True, slots=True)
class Reader:
    """A value at `pointer`, and the notices given so far."""

    value: Json
    pointer: Pointer
    notices: list[Notice]

    def fail(self, problem: str) -> FieldError:
        """The error to raise for this value."""
        return FieldError(self.pointer, problem)

    def notice(self, problem: str, *, grave: bool = False) -> None:
        """Warn about this value."""
        self.notices.append(Notice(self.pointer, problem, grave))

    def child(self, step: str | int, value: Json) -> "Reader":
        """`value`, which stands at `step` inside this one."""
        return Reader(value, (*self.pointer, step), self.notices)

    def _expected(self, kind: str) -> FieldError:
        return self.fail(f"expected {kind}, found {kind_of(self.value)}")

    def object(self) -> dict[str, "Reader"]:
        """The members. Raises `FieldError` for anything but an object."""
        if not isinstance(self.value, dict):
            raise self._expected("an object")
        return {name: self.child(name, value) for name, value in self.value.items()}

    def items(self) -> Iterator["Reader"]:
        """The items. Raises `FieldError` for anything but a list."""
        if not isinstance(self.value, list):
            raise self._expected("a list")
        return (self.child(index, value) for index, value in enumerate(self.value))

    def text(self) -> str:
        """The text. Raises `FieldError` for anything else."""
        if not isinstance(self.value, str):
            raise self._expected("text")
        return self.value

    def flag(self) -> bool:
        """True or false. Raises `FieldError` for anything else."""
        if not isinstance(self.value, bool):
            raise self._expected("true or false")
        return self.value

    def whole(self, lowest: int, highest: int) -> int:
        """A whole number within the bounds. Raises `FieldError` for anything else."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._expected("a whole number")
        if not lowest <= value <= highest:
            raise self.fail(f"{value} is not between {lowest} and {highest}")
        return value

    def number(self, lowest: float, highest: float) -> float:
        """A number within the bounds. Raises `FieldError` for anything else."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._expected("a number")
        if not lowest <= value <= highest:
            raise self.fail(f"{value} is not between {lowest:g} and {highest:g}")
        return float(value)


def warn_unknown(fields: dict[str, Reader], known: frozenset[str]) -> None:
    """A notice for every field that is not `known`."""
    for name, field in fields.items():
        if name not in known:
            field.notice("this field is not supported and has no effect")
