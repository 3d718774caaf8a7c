"""Reading a JSON document that people write: each value knows where it stands.

`Reader` wraps one value. What is wrong raises `FieldError` with the place; what is only not
supported is a `Notice` in a list the readers of one document share. Values are taken as WireMock
takes them: a number may be written as text, and null is as if nothing were there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
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

    `disables`: the stub never matches because of it. An answer that leaves out what is not
    supported would make a test pass that should fail.
    """

    pointer: Pointer
    problem: str
    disables: bool = False

    def __str__(self) -> str:
        what_follows = ", so this stub never matches" if self.disables else ""
        return f"{dotted(self.pointer)}: {self.problem}{what_follows}"


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

    def notice(self, problem: str) -> None:
        """Warn about this value."""
        self.notices.append(Notice(self.pointer, problem))

    def disable(self, problem: str) -> None:
        """Warn that the stub never matches, because of this value."""
        self.notices.append(Notice(self.pointer, problem, disables=True))

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

    def scalar(self) -> str:
        """Text, or a number or boolean as its text. Raises `FieldError` for anything else."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value) if isinstance(self.value, (int, float)) else self.text()

    def flag(self) -> bool:
        """True or false, null for false. Raises `FieldError` for anything else."""
        if self.value in ("true", "false"):
            return self.value == "true"
        if self.value is None:
            return False
        if not isinstance(self.value, bool):
            raise self._expected("true or false")
        return self.value

    def whole(self, lowest: int, highest: int) -> int:
        """A whole number within the bounds. Raises `FieldError` for anything else."""
        value = self._numeric()
        if value is None or value != int(value):
            raise self.fail(f"expected a whole number, found {self._shown()}")
        if not lowest <= value <= highest:
            raise self.fail(f"{value} is not between {lowest} and {highest}")
        return int(value)

    def number(self, lowest: float, highest: float) -> float:
        """A number within the bounds. Raises `FieldError` for anything else."""
        value = self._numeric()
        if value is None:
            raise self._expected("a number")
        if not lowest <= value <= highest:
            raise self.fail(f"{value} is not between {lowest:g} and {highest:g}")
        return float(value)

    def _numeric(self) -> float | int | None:
        value = self.value
        if isinstance(value, str) and len(value) <= 40:
            try:
                value = int(value) if value.strip("+-").isdecimal() else float(value)
            except ValueError:
                return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if isinstance(value, int) or abs(value) < float("inf") else None

    def _shown(self) -> str:
        return str(self.value) if isinstance(self.value, float) else kind_of(self.value)


def given(members: dict[str, Reader], name: str) -> Reader | None:
    """The member `name`; None where it is missing or null."""
    field = members.get(name)
    return None if field is None or field.value is None else field


def refuse_unknown(
    fields: dict[str, Reader], known: frozenset[str], unsupported: frozenset[str] = frozenset()
) -> None:
    """The stub never matches because of a field that is not `known`.

    `unsupported` are those that WireMock knows.
    """
    for name, field in fields.items():
        if name in known or (name in unsupported and field.value is None):
            continue
        if name in unsupported:
            field.disable("this field of WireMock is not supported")
            continue
        near = get_close_matches(name, known | unsupported, n=1)
        meant = f" (is it {near[0]!r}?)" if near else ""
        field.disable(f"there is no such field{meant}")
