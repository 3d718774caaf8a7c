"""JSONPath as WireMock's stubs use it: compiled once, then read from documents.

Steps: `.name`, `['name']`, `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `.*`, `[*]`, `..name` and filters
`[?(@.price > 10 && @.symbol == 'AAPL')]` with == != < <= > >= =~ /regex/, && || ! and existence.
A path without wildcard, slice, filter or `..` is *definite*: it reads one value; any other reads
a list. That is the rule of the Jayway implementation, which WireMock uses.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from mockserver.json_types import Json

Step = Callable[[Json], Iterator[Json]]
Predicate = Callable[[Json], bool]
Operand = Callable[[Json], "Json | _Missing"]


class _Missing:
    """What an operand yields where the document has nothing."""


_MISSING: Final = _Missing()


class JsonPathError(ValueError):
    """The expression is not a JSONPath this module knows."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path."""

    expression: str
    definite: bool
    steps: tuple[Step, ...]

    def nodes(self, document: Json) -> list[Json]:
        """Every value the path selects, in document order."""
        selected = [document]
        for step in self.steps:
            selected = [found for node in selected for found in step(node)]
        return selected


def compile_path(expression: str) -> JsonPath:
    """Compile `expression`, which starts with `$`. Raises `JsonPathError`, which names it."""
    parser = _Parser(expression)
    parser.expect("$")
    steps, definite = parser.steps()
    if not parser.at_end():
        parser.fail("unexpected text")
    return JsonPath(expression, definite, steps)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, problem: str) -> NoReturn:
        raise JsonPathError(f"{problem} at column {self.at + 1} of JSONPath {self.text!r}")

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def spaces(self) -> None:
        while not self.at_end() and self.text[self.at].isspace():
            self.at += 1

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            self.fail(f"expected {token!r}")

    def pattern(self, regex: str) -> str | None:
        found = re.compile(regex).match(self.text, self.at)
        if found is None or not found.group():
            return None
        self.at = found.end()
        return found.group()

    def steps(self) -> tuple[tuple[Step, ...], bool]:
        found: list[Step] = []
        definite = True
        while True:
            if self.take(".."):
                found.append(_descend)
                definite = False
                if self.take("["):
                    found.append(self.bracket()[0])
                else:
                    found.append(self.dotted()[0])
            elif self.take("."):
                step, single = self.dotted()
                found.append(step)
                definite = definite and single
            elif self.take("["):
                step, single = self.bracket()
                found.append(step)
                definite = definite and single
            else:
                return tuple(found), definite

    def dotted(self) -> tuple[Step, bool]:
        if self.take("*"):
            return _every, False
        name = self.pattern(r"[^\s.\[\]()=!<>&|*,'\"?@]+")
        if name is None:
            self.fail("expected a name")
        return _member(name), True

    def bracket(self) -> tuple[Step, bool]:
        self.spaces()
        step: Step
        single = False
        if self.take("*"):
            step = _every
        elif self.take("?"):
            self.spaces()
            self.expect("(")
            predicate = self.either()
            self.spaces()
            self.expect(")")
            step = _filter(predicate)
        elif self.text[self.at : self.at + 1] in {"'", '"'}:
            names = [self.quoted()]
            while self.comma():
                names.append(self.quoted())
            single = len(names) == 1
            step = _union([_member(name) for name in names])
        else:
            step, single = self.positions()
        self.spaces()
        self.expect("]")
        return step, single

    def positions(self) -> tuple[Step, bool]:
        first = self.pattern(r"-?\d+")
        if self.take(":"):
            last = self.pattern(r"-?\d+")
            stride = self.pattern(r"-?\d+") if self.take(":") else None
            if stride is not None and int(stride) == 0:
                self.fail("a slice needs a step other than 0")
            bounds = [None if bound is None else int(bound) for bound in (first, last, stride)]
            return _slice(slice(*bounds)), False
        if first is None:
            self.fail("expected an index, a name in quotes, *, a slice or a filter")
        indexes = [int(first)]
        while self.comma():
            index = self.pattern(r"-?\d+")
            if index is None:
                self.fail("expected an index")
            indexes.append(int(index))
        return _union([_index(index) for index in indexes]), len(indexes) == 1

    def comma(self) -> bool:
        self.spaces()
        found = self.take(",")
        self.spaces()
        return found

    def quoted(self) -> str:
        literal = self.pattern(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
        if literal is None:
            self.fail("expected a string in quotes")
        return re.sub(r"\\(.)", r"\1", literal[1:-1])

    def either(self) -> Predicate:
        alternatives = [self.both()]
        while self.operator("||"):
            alternatives.append(self.both())
        return lambda node: any(predicate(node) for predicate in alternatives)

    def both(self) -> Predicate:
        parts = [self.condition()]
        while self.operator("&&"):
            parts.append(self.condition())
        return lambda node: all(predicate(node) for predicate in parts)

    def operator(self, token: str) -> bool:
        self.spaces()
        return self.take(token)

    def condition(self) -> Predicate:
        self.spaces()
        if self.take("!"):
            negated = self.condition()
            return lambda node: not negated(node)
        if self.take("("):
            inner = self.either()
            self.spaces()
            self.expect(")")
            return inner
        left = self.operand()
        self.spaces()
        comparison = self.pattern(r"==|!=|<=|>=|=~|<|>")
        if comparison is None:
            return lambda node: not isinstance(left(node), _Missing)
        self.spaces()
        if comparison == "=~":
            return self.regex(left)
        right = self.operand()
        compare = _COMPARISONS[comparison]
        return lambda node: compare(left(node), right(node))

    def regex(self, left: Operand) -> Predicate:
        literal = self.pattern(r"/(?:[^/\\]|\\.)*/i?")
        if literal is None:
            self.fail("expected a regular expression between slashes")
        body, _, flags = literal[1:].rpartition("/")
        try:
            compiled = re.compile(body, re.IGNORECASE if flags == "i" else 0)
        except re.error as error:
            raise JsonPathError(f"bad regular expression {body!r}: {error}") from error

        def matches(node: Json) -> bool:
            value = left(node)
            return isinstance(value, str) and compiled.fullmatch(value) is not None

        return matches

    def operand(self) -> Operand:
        if self.take("@"):
            steps, definite = self.steps()
            if not definite:
                self.fail("a filter's @ path must select one value")

            def read(node: Json) -> "Json | _Missing":
                found = JsonPath("@", definite=True, steps=steps).nodes(node)
                return found[0] if found else _MISSING

            return read
        if self.text[self.at : self.at + 1] in {"'", '"'}:
            text = self.quoted()
            return lambda _: text
        word = self.pattern(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
        if word is None:
            self.fail("expected @, a string, a number, true, false or null")
        constant = _CONSTANTS[word] if word in _CONSTANTS else float(word)
        return lambda _: constant


_CONSTANTS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}


def _member(name: str) -> Step:
    def step(node: Json) -> Iterator[Json]:
        if isinstance(node, dict) and name in node:
            yield node[name]

    return step


def _index(index: int) -> Step:
    def step(node: Json) -> Iterator[Json]:
        if isinstance(node, list) and -len(node) <= index < len(node):
            yield node[index]

    return step


def _slice(bounds: slice) -> Step:
    def step(node: Json) -> Iterator[Json]:
        if isinstance(node, list):
            yield from node[bounds]

    return step


def _union(steps: list[Step]) -> Step:
    def step(node: Json) -> Iterator[Json]:
        for one in steps:
            yield from one(node)

    return step


def _every(node: Json) -> Iterator[Json]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _descend(node: Json) -> Iterator[Json]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(_every(current))))


def _filter(predicate: Predicate) -> Step:
    def step(node: Json) -> Iterator[Json]:
        candidates = node if isinstance(node, list) else [node]
        yield from (candidate for candidate in candidates if predicate(candidate))

    return step


def _number(value: "Json | _Missing") -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)


def _same(left: "Json | _Missing", right: "Json | _Missing") -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _ordered(test: Callable[[float], bool]) -> "Callable[[Json | _Missing, Json | _Missing], bool]":
    """Compare numbers with numbers and text with text; anything else is not in order."""

    def compare(left: "Json | _Missing", right: "Json | _Missing") -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return test((left > right) - (left < right))
        first, second = _number(left), _number(right)
        return first is not None and second is not None and test(first - second)

    return compare


_COMPARISONS: Final = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _ordered(lambda difference: difference < 0),
    "<=": _ordered(lambda difference: difference <= 0),
    ">": _ordered(lambda difference: difference > 0),
    ">=": _ordered(lambda difference: difference >= 0),
}
