"""Makes functions of a parsed template: name look-up, helper calls and blocks.

A template is compiled once, to closures over what is known of it by then; one `Rendering` serves
one response. A helper gets a `HelperCall` and gives back a value; a block helper renders its body
through it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from mockserver.limits import TooMuchWork
from mockserver.templating.errors import TemplateError
from mockserver.templating.syntax import Block, Call, Expression, Literal, Node, Output, Path, Text
from mockserver.templating.values import Value, is_truthy, member, text_of

# A template runs on the event loop, so a runaway loop in one would stop everybody's answers.
MAX_OUTPUT_CHARACTERS: Final = 5_000_000
MAX_STEPS: Final = 100_000


@dataclass(slots=True)
class Scope:
    """One context: `this`, the names a block gave, its `@` data, and the scope around it."""

    this: Value
    names: Mapping[str, Value]
    data: Mapping[str, Value]
    parent: "Scope | None"


Walk: TypeAlias = Callable[[str, float, float], float]
"""The next value of a name between two bounds."""


@dataclass(slots=True)
class Rendering:
    """The state of one rendering. `now` carries a time zone; `dice` is the only randomness, but for
    the `walk` of numbers, where there is one.
    """

    model: Value
    dice: random.Random
    now: datetime
    walk: Walk | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    written: int = 0
    steps: int = 0
    iso: str = ""

    def now_in_iso(self) -> str:
        """`now` in ISO 8601, in UTC and to the second; worked out once."""
        if not self.iso:
            utc = self.now.astimezone(UTC)
            self.iso = utc.isoformat(timespec="seconds").replace("+00:00", "Z")
        return self.iso


Write: TypeAlias = Callable[[Rendering, Scope], str]
Read: TypeAlias = Callable[[Rendering, Scope], Value]


@dataclass(frozen=True, slots=True)
class CompiledBlock:
    """A block's parameters, its body, and what stands after `else`."""

    names: tuple[str, ...]
    body: Write
    inverse: Write


@dataclass(slots=True)
class HelperCall:
    """What a helper is given. `block` is None for a call that is not a block."""

    name: str
    arguments: Sequence[Value]
    options: Mapping[str, Value]
    scope: Scope
    rendering: Rendering
    block: CompiledBlock | None

    def argument(self, index: int) -> Value:
        """The argument at `index`; None if it is not there."""
        return self.arguments[index] if index < len(self.arguments) else None

    def body(self, scope: Scope | None = None) -> str:
        """The block's body, rendered."""
        return self.block.body(self.rendering, scope or self.scope) if self.block else ""

    def inverse(self) -> str:
        """What stands after `else`, rendered."""
        return self.block.inverse(self.rendering, self.scope) if self.block else ""

    def branch(self, condition: Value) -> Value:
        """A test's result: the value inline, the body or the inverse as a block."""
        if self.block is None:
            return condition
        return self.body() if is_truthy(condition) else self.inverse()

    def subject(self) -> Value:
        """What a helper works on that is mostly a block: its block, or else its first argument."""
        return self.body() if self.block else self.argument(0)

    def text(self) -> Value:
        """What a helper works on that is mostly none: its first argument, or else its block."""
        return self.argument(0) if self.arguments else self.body()


HelperFunction: TypeAlias = Callable[[HelperCall], Value]


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper and the names of the options that it knows."""

    function: HelperFunction
    options: frozenset[str] = frozenset()


Helpers: TypeAlias = Mapping[str, Helper]


def compile_nodes(nodes: Sequence[Node], helpers: Helpers) -> Write:
    """What writes `nodes`. It raises `TemplateError`."""
    parts = [_part(node, helpers) for node in nodes]
    texts = [part if isinstance(part, str) else "" for part in parts]
    moving = [(index, read) for index, read in enumerate(parts) if not isinstance(read, str)]
    cost = 1 + len(parts)

    def write(rendering: Rendering, scope: Scope) -> str:
        rendering.steps += cost
        if rendering.steps > MAX_STEPS:
            raise TemplateError(f"more than {MAX_STEPS} steps were needed")
        pieces = texts.copy()
        for index, read in moving:
            value = read(rendering, scope)
            pieces[index] = value if isinstance(value, str) else text_of(value)
        rendering.written += sum(map(len, pieces))
        # Looked at before they are joined: they may be one text many times over.
        if rendering.written > MAX_OUTPUT_CHARACTERS:
            raise TemplateError(f"more than {MAX_OUTPUT_CHARACTERS} characters were written")
        return "".join(pieces)

    return write


def _part(node: Node, helpers: Helpers) -> str | Read:
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Block):
        return _block(node, helpers)
    if isinstance(node, Output):
        return compile_expression(node.expression, helpers)
    raise AssertionError(node)


def compile_expression(expression: Expression, helpers: Helpers) -> Read:
    """What reads the value of `expression`."""
    if isinstance(expression, Literal):
        constant = expression.value
        return lambda _, __: constant
    helper = helper_of(expression, helpers)
    if helper is not None:
        return _call(helper.function, expression, helpers, None)
    if expression.arguments or expression.options:
        return _failing(expression, f"could not find helper: '{expression.target.text}'")
    return _look_up(expression.target)


def helper_of(call: Call, helpers: Helpers) -> Helper | None:
    """The helper that `call` names; a helper goes before data of the same name."""
    target = call.target
    if target.up or target.data or target.this or len(target.segments) != 1:
        return None
    return helpers.get(target.segments[0])


def _failing(call: Call, problem: str) -> Read:
    def fail(_: Rendering, __: Scope) -> Value:
        raise _at(call, problem)

    return fail


def _call(
    function: HelperFunction, call: Call, helpers: Helpers, block: CompiledBlock | None
) -> Read:
    """What calls a helper; its errors, whatever they are, get the place of the call."""
    name = call.target.text
    constants: list[Value] = [
        one.value if isinstance(one, Literal) else None for one in call.arguments
    ]
    moving = [
        (index, compile_expression(one, helpers))
        for index, one in enumerate(call.arguments)
        if not isinstance(one, Literal)
    ]
    options = [(key, compile_expression(option, helpers)) for key, option in call.options]

    def invoke(rendering: Rendering, scope: Scope) -> Value:
        arguments: Sequence[Value] = constants
        if moving:
            arguments = given = constants.copy()
            for index, read in moving:
                given[index] = read(rendering, scope)
        named = _NO_OPTIONS
        if options:
            named = {key: read(rendering, scope) for key, read in options}
        try:
            value = function(HelperCall(name, arguments, named, scope, rendering, block))
        except TemplateError as error:
            if error.line:
                raise
            raise _at(call, f"{name}: {error.problem}") from error
        except TooMuchWork as error:
            raise _at(call, f"{name}: {error}") from error
        except Exception as error:
            problem = f"{name}: no result for these arguments ({type(error).__name__})"
            raise _at(call, problem) from error
        if isinstance(value, str) and len(value) > MAX_OUTPUT_CHARACTERS:
            # Without this a template could double a text with each call.
            raise _at(call, f"{name}: more than {MAX_OUTPUT_CHARACTERS} characters")
        return value

    return invoke


_NO_OPTIONS: Final[Mapping[str, Value]] = {}


def _block(block: Block, helpers: Helpers) -> Read:
    """What a block gives: a helper's, or of a list, a value or a condition."""
    compiled = CompiledBlock(
        block.names, compile_nodes(block.body, helpers), compile_nodes(block.inverse, helpers)
    )
    helper = helper_of(block.call, helpers)
    if helper is not None:
        return _call(helper.function, block.call, helpers, compiled)
    if block.call.arguments or block.call.options:
        return _failing(block.call, f"could not find helper: '{block.call.target.text}'")
    read = _look_up(block.call.target)

    def write(rendering: Rendering, scope: Scope) -> str:
        subject = read(rendering, scope)
        if isinstance(subject, list):
            parts = [compiled.body(rendering, Scope(one, {}, {}, scope)) for one in subject]
            return "".join(parts) or compiled.inverse(rendering, scope)
        if not is_truthy(subject):
            return compiled.inverse(rendering, scope)
        inner = scope if subject is True else Scope(subject, {}, {}, scope)
        return compiled.body(rendering, inner)

    return write


def _look_up(path: Path) -> Read:
    """What reads a name. One that means nothing is nothing (None), as in every Handlebars."""
    first, rest = path.segments[:1], path.segments[1:]
    if path.data:
        return _data(path, first[0] if first else "", rest)
    if path.this or path.up:
        return _this(path.up, path.segments)
    return _name(first[0], rest)


def _data(path: Path, name: str, rest: tuple[str, ...]) -> Read:
    def read(rendering: Rendering, scope: Scope) -> Value:
        if name == "root":
            return _along(rendering.model, rest)
        start = _outwards(scope, path.up)
        while start is not None:
            if name in start.data:
                return _along(start.data[name], rest)
            start = start.parent
        return None

    return read


def _this(up: int, rest: tuple[str, ...]) -> Read:
    if not up and len(rest) == 1:  # `this.symbol`, by far the commonest
        name = rest[0]

        def read_member(_: Rendering, scope: Scope) -> Value:
            this = scope.this
            return this[name] if isinstance(this, dict) and name in this else member(this, name)

        return read_member

    def read(_: Rendering, scope: Scope) -> Value:
        start = _outwards(scope, up) if up else scope
        return None if start is None else _along(start.this, rest)

    return read


def _name(name: str, rest: tuple[str, ...]) -> Read:
    """The nearest meaning of `name`, from a scope outwards; then what was assigned."""

    def read(rendering: Rendering, scope: Scope) -> Value:
        around: Scope | None = scope
        while around is not None:
            if name in around.names:
                return _along(around.names[name], rest)
            found = member(around.this, name)
            if found is not None:
                return _along(found, rest)
            around = around.parent
        return _along(rendering.variables.get(name), rest)

    return read


def _along(value: Value, segments: tuple[str, ...]) -> Value:
    for name in segments:
        value = member(value, name)
    return value


def _outwards(scope: Scope, count: int) -> Scope | None:
    start: Scope | None = scope
    for _ in range(count):
        start = start.parent if start else None
    return start


def _at(call: Call, problem: str) -> TemplateError:
    return TemplateError(problem, call.line, call.column)
