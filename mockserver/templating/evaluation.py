"""Renders a parsed template: name look-up, helper calls and blocks.

One `Rendering` serves one response. A helper gets a `HelperCall` and gives back a value; a block
helper renders its body through it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from mockserver.templating.errors import TemplateError
from mockserver.templating.syntax import Block, Call, Expression, Literal, Node, Output, Path, Text
from mockserver.templating.values import Value, is_truthy, member, text_of

# A template runs on the event loop, so a runaway loop in one would stop everybody's answers.
MAX_OUTPUT_CHARACTERS: Final = 5_000_000
MAX_STEPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Scope:
    """One context: `this`, the names a block gave, its `@` data, and the scope around it."""

    this: Value
    names: Mapping[str, Value]
    data: Mapping[str, Value]
    parent: "Scope | None"


@dataclass(slots=True)
class HelperCall:
    """What a helper is given. `block` is None for a call that is not a block."""

    name: str
    arguments: Sequence[Value]
    options: Mapping[str, Value]
    scope: Scope
    rendering: "Rendering"
    block: Block | None

    def argument(self, index: int) -> Value:
        """The argument at `index`; None if it is not there."""
        return self.arguments[index] if index < len(self.arguments) else None

    def body(self, scope: Scope | None = None) -> str:
        """The block's body, rendered."""
        nodes = self.block.body if self.block else ()
        return self.rendering.render(nodes, scope or self.scope)

    def inverse(self) -> str:
        """What stands after `else`, rendered."""
        return self.rendering.render(self.block.inverse if self.block else (), self.scope)

    def branch(self, condition: Value) -> Value:
        """A test's result: the value inline, the body or the inverse as a block."""
        if self.block is None:
            return condition
        return self.body() if is_truthy(condition) else self.inverse()


Helper: TypeAlias = Callable[[HelperCall], Value]


@dataclass(slots=True)
class Rendering:
    """The state of one rendering. `now` carries a time zone; `dice` is the only randomness."""

    helpers: Mapping[str, Helper]
    dice: random.Random
    now: datetime
    variables: dict[str, Value] = field(default_factory=dict)
    written: int = 0
    steps: int = 0

    def render(self, nodes: Sequence[Node], scope: Scope) -> str:
        """The text of `nodes`. Raises `TemplateError`."""
        self.steps += 1 + len(nodes)
        if self.steps > MAX_STEPS:
            raise TemplateError(f"more than {MAX_STEPS} steps were needed")
        parts: list[str] = []
        for node in nodes:
            if isinstance(node, Text):
                part = node.value
            elif isinstance(node, Output):
                part = text_of(self.value(node.expression, scope))
            else:
                part = self.block(node, scope)
            self.written += len(part)
            if self.written > MAX_OUTPUT_CHARACTERS:
                raise TemplateError(f"more than {MAX_OUTPUT_CHARACTERS} characters were written")
            parts.append(part)
        return "".join(parts)

    def value(self, expression: Expression, scope: Scope) -> Value:
        """What `expression` means in `scope`."""
        if isinstance(expression, Literal):
            return expression.value
        helper = self.helper_of(expression)
        if helper is None:
            if expression.arguments or expression.options:
                raise _at(expression, f"could not find helper: '{expression.target.text}'")
            return self.look_up(expression.target, scope)
        return self.invoke(helper, expression, scope, None)

    def helper_of(self, call: Call) -> Helper | None:
        """The helper that `call` names; a helper goes before data of the same name."""
        target = call.target
        if target.up or target.data or target.this or len(target.segments) != 1:
            return None
        return self.helpers.get(target.segments[0])

    def invoke(self, helper: Helper, call: Call, scope: Scope, block: Block | None) -> Value:
        """What `helper` gives for `call`; its errors get the place of the call."""
        arguments = [self.value(argument, scope) for argument in call.arguments]
        options = {name: self.value(option, scope) for name, option in call.options}
        request = HelperCall(call.target.text, arguments, options, scope, self, block)
        try:
            return helper(request)
        except TemplateError as error:
            if error.line:
                raise
            raise _at(call, f"{call.target.text}: {error.problem}") from error
        except (ArithmeticError, ValueError) as error:
            # A number or time beyond what Python carries: no helper is sure to have thought of it.
            problem = f"{call.target.text}: no result for these arguments ({type(error).__name__})"
            raise _at(call, problem) from error

    def block(self, block: Block, scope: Scope) -> str:
        """The text of a block: a helper's, or of a list, a value or a condition."""
        helper = self.helper_of(block.call)
        if helper is not None:
            return text_of(self.invoke(helper, block.call, scope, block))
        if block.call.arguments or block.call.options:
            raise _at(block.call, f"could not find helper: '{block.call.target.text}'")
        subject = self.look_up(block.call.target, scope)
        if isinstance(subject, list):
            rendered = [self.render(block.body, Scope(one, {}, {}, scope)) for one in subject]
            return "".join(rendered) or self.render(block.inverse, scope)
        if not is_truthy(subject):
            return self.render(block.inverse, scope)
        inner = scope if subject is True else Scope(subject, {}, {}, scope)
        return self.render(block.body, inner)

    def look_up(self, path: Path, scope: Scope) -> Value:
        """Nothing (None) for a name that means nothing, as in every Handlebars."""
        start: Scope | None = scope
        for _ in range(path.up):
            start = start.parent if start else None
        if start is None:
            return None
        first, rest = path.segments[:1], path.segments[1:]
        if path.data:
            value = self.named(start, first[0] if first else "", data=True)
        elif path.this or path.up:
            value, rest = start.this, path.segments
        else:
            value = self.named(start, first[0], data=False)
        for name in rest:
            value = member(value, name)
        return value

    def named(self, scope: Scope, name: str, *, data: bool) -> Value:
        """The nearest meaning of `name`, from `scope` outwards."""
        around: Scope | None = scope
        while around is not None:
            if data:
                if name in around.data:
                    return around.data[name]
            elif name in around.names:
                return around.names[name]
            elif (found := member(around.this, name)) is not None:
                return found
            around = around.parent
        return None if data else self.variables.get(name)


def _at(call: Call, problem: str) -> TemplateError:
    return TemplateError(problem, call.line, call.column)
