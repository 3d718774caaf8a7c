"""Handlebars text to a tree: text, outputs and blocks.

Understood are `{{expression}}`, `{{{expression}}}`, `{{&expression}}`, comments, blocks with
`else`, `else if` and `^`, inverse blocks (`{{^x}}…{{/x}}`), block parameters (`as |item|`),
sub-expressions in parentheses, literals, `../`, `@data`, `[segment literals]` and whitespace
control with `~`. Partials, decorators and raw blocks are refused. Lines that hold only a block tag
keep their line ends, as they do in WireMock.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

from mockserver.templating.errors import TemplateError


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant written in the template."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """A look-up: `up` contexts outwards, from `@` data if `data`, then along `segments`."""

    text: str
    up: int
    data: bool
    this: bool
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A path, or a helper with its arguments."""

    target: Path
    arguments: tuple["Expression", ...]
    options: tuple[tuple[str, "Expression"], ...]
    line: int
    column: int


Expression: TypeAlias = Literal | Call


@dataclass(frozen=True, slots=True)
class Text:
    """What is copied as it stands."""

    value: str


@dataclass(frozen=True, slots=True)
class Output:
    """An expression whose value is written."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Block:
    """A helper with a body and, after `else`, an inverse."""

    call: Call
    names: tuple[str, ...]
    body: tuple["Node", ...]
    inverse: tuple["Node", ...]


Node: TypeAlias = Text | Output | Block

_OPENING: Final = re.compile(r"\{\{")
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<close>~?\}{2,3}|\}~\}\})
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<key>[A-Za-z_][\w-]*)=
    | (?P<mark>[()|])
    | (?P<word>(?:\[[^\]]*\]|[^\s(){}=|'"~\[\]])+)
    )""",
    re.VERBOSE,
)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_SEGMENT: Final = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)")
MAX_DEPTH: Final = 50  # blocks and sub-expressions inside each other; a loop over input, not stack
_CONSTANTS: Final[dict[str, bool | None]] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": None,
}


@dataclass(slots=True)
class _OpenBlock:
    """A block whose end has not been seen. `chained` counts the `else if` blocks inside it."""

    call: Call
    names: tuple[str, ...]
    chained: bool
    body: list[Node] = field(default_factory=list)
    inverse: list[Node] | None = None


def parse(text: str) -> tuple[Node, ...]:
    """The tree of `text`. Raises `TemplateError` with the place of what is wrong."""
    return _Parser(text).template()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.root: list[Node] = []
        self.blocks: list[_OpenBlock] = []
        self.trim_next = False
        self.in_front = True  # of the first tag

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        raise TemplateError(problem, *self.place(self.at if at is None else at))

    def place(self, at: int) -> tuple[int, int]:
        before = self.text[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1

    def template(self) -> tuple[Node, ...]:
        while (opening := _OPENING.search(self.text, self.at)) is not None:
            self.add_text(self.text[self.at : opening.start()])
            self.at = opening.end()
            self.tag(opening.start())
            self.in_front = False
        # WireMock hands Handlebars only what stands between the first {{ and the last }}, so that
        # no ~ reaches what is in front of it and behind it.
        self.trim_next = self.trim_next and "}}" in self.text[self.at :]
        self.add_text(self.text[self.at :])
        if self.blocks:
            call = self.blocks[-1].call
            raise TemplateError(
                f"{{{{#{call.target.text}}}}} is never closed", call.line, call.column
            )
        return tuple(self.root)

    def add_text(self, value: str) -> None:
        if self.trim_next:
            value = value.lstrip()
            self.trim_next = False
        if value:
            self.nodes().append(Text(value))

    def nodes(self) -> list[Node]:
        if not self.blocks:
            return self.root
        block = self.blocks[-1]
        return block.body if block.inverse is None else block.inverse

    def tag(self, start: int) -> None:
        if self.text.startswith("!", self.at):
            self.comment(start)
            return
        braces = 3 if self.text.startswith("{", self.at) else 2
        if braces == 3:
            self.at += 1
        if self.text.startswith("~", self.at):
            self.at += 1
            self.trim_before()
            if braces == 2 and self.text.startswith("{", self.at):
                self.at += 1
                braces = 3
        kind = self.text[self.at : self.at + 1]
        if kind in {"#", "/", "^", "&", ">", "*", "{"}:
            self.at += 1
        if kind == "#":
            self.open_block(start)
        elif kind == "^" and _peek(self.text, self.at) == "word":
            self.open_block(start, inverted=True)
        elif kind == "/":
            self.close_block(start)
        elif kind == "^" or re.compile(r"\s*else\b").match(self.text, self.at):
            self.else_tag(start, kind)
        elif kind in {">", "*", "{"}:
            self.fail(f"{{{{{kind} is not supported", start)
        else:
            expression = self.expression(start)
            self.close(start, braces)
            self.nodes().append(Output(expression))

    def comment(self, start: int) -> None:
        long = self.text.startswith("!--", self.at)
        end = self.text.find("--}}" if long else "}}", self.at)
        if end < 0:
            self.fail("a comment is never closed", start)
        self.at = end + (4 if long else 2)

    def trim_before(self) -> None:
        nodes = self.nodes()
        if nodes and not self.in_front and isinstance(last := nodes[-1], Text):
            nodes[-1] = Text(last.value.rstrip())

    def open_block(self, start: int, *, inverted: bool = False) -> None:
        call = self.call(start)
        names = self.block_names(start)
        self.close(start, 2)
        inverse: list[Node] | None = [] if inverted else None
        self.push(_OpenBlock(call, names, chained=False, inverse=inverse), start)

    def push(self, block: _OpenBlock, start: int) -> None:
        if len(self.blocks) >= MAX_DEPTH:
            self.fail(f"blocks are nested more than {MAX_DEPTH} deep", start)
        self.blocks.append(block)

    def else_tag(self, start: int, kind: str) -> None:
        if kind != "^":
            self.at = _end_of(r"\s*else", self.text, self.at)
        if not self.blocks:
            self.fail("{{else}} outside a block", start)
        if self.blocks[-1].inverse is not None:
            self.fail("a block has two {{else}}", start)
        self.blocks[-1].inverse = []
        if _peek(self.text, self.at) != "close":
            call = self.call(start)
            names = self.block_names(start)
            self.close(start, 2)
            self.push(_OpenBlock(call, names, chained=True), start)
        else:
            self.close(start, 2)

    def close_block(self, start: int) -> None:
        kind, value = self.token(start)
        if kind != "word":
            self.fail("expected the name of the block to close", start)
        self.close(start, 2)
        while self.blocks and self.blocks[-1].chained:
            self.finish_block()
        if not self.blocks:
            self.fail(f"{{{{/{value}}}}} closes nothing", start)
        opened = self.blocks[-1].call.target.text
        if opened != value:
            self.fail(f"{{{{/{value}}}}} where {{{{/{opened}}}}} was expected", start)
        self.finish_block()

    def finish_block(self) -> None:
        block = self.blocks.pop()
        inverse = tuple(block.inverse or ())
        self.nodes().append(Block(block.call, block.names, tuple(block.body), inverse))

    def block_names(self, start: int) -> tuple[str, ...]:
        found = re.compile(r"\s*as\s*\|([^|]*)\|").match(self.text, self.at)
        if found is None:
            return ()
        self.at = found.end()
        names = tuple(found.group(1).split())
        if not names:
            self.fail("`as ||` names nothing", start)
        return names

    def token(self, start: int) -> tuple[str, str]:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found.lastgroup is None:
            if self.at >= len(self.text) or not self.text[self.at :].strip():
                self.fail("{{ is never closed", start)
            self.fail(f"unexpected {self.text[self.at : self.at + 10].strip()!r}")
        self.at = found.end()
        return found.lastgroup, found.group(found.lastgroup)

    def close(self, start: int, braces: int) -> None:
        kind, value = self.token(start)
        if kind != "close":
            self.fail(f"unexpected {value!r}")
        # `}}}` after `{{x` closes it with two and leaves a brace of the text: `{"a":{{x}}}`.
        surplus = value.count("}") - braces
        if surplus < 0:
            self.fail("{{{ must be closed with }}}", start)
        self.at -= surplus
        self.trim_next = "~" in value

    def expression(self, start: int) -> Expression:
        if _peek(self.text, self.at) in {"string", "number"}:
            return self.argument(start, 0)
        return self.call(start)

    def call(self, start: int, depth: int = 0) -> Call:
        kind, value = self.token(start)
        if kind != "word":
            self.fail(f"expected a name, not {value!r}", start)
        arguments: list[Expression] = []
        options: list[tuple[str, Expression]] = []
        while (kind := _peek(self.text, self.at)) in {"string", "number", "word", "open", "key"}:
            if kind == "key":
                name = self.token(start)[1]
                options.append((name, self.argument(start, depth)))
            elif kind == "word" and re.compile(r"\s*as\s*\|").match(self.text, self.at):
                break
            elif options:
                self.fail("a plain argument after a named one")
            else:
                arguments.append(self.argument(start, depth))
        return Call(self.path(value, start), tuple(arguments), tuple(options), *self.place(start))

    def argument(self, start: int, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            self.fail(f"expressions are nested more than {MAX_DEPTH} deep", start)
        begin = self.at
        kind, value = self.token(start)
        if kind == "string":
            # A backslash stands for itself, as in Handlebars.java, but before the string's quote.
            return Literal(value[1:-1].replace(f"\\{value[0]}", value[0]))
        if kind == "mark" and value == "(":
            inner = self.call(begin, depth + 1)
            if self.token(start) != ("mark", ")"):
                self.fail("expected )")
            return inner
        if kind != "word":
            self.fail(f"expected a value, not {value!r}")
        if _NUMBER.fullmatch(value):
            return Literal(float(value) if "." in value else int(value))
        if value in _CONSTANTS:
            return Literal(_CONSTANTS[value])
        return Call(self.path(value, start), (), (), *self.place(begin))

    def path(self, text: str, start: int) -> Path:
        rest = text
        data = rest.startswith("@")
        rest = rest.removeprefix("@")
        up = 0
        while rest.startswith("../") or rest == "..":
            up += 1
            rest = rest[3:]
        this = rest in {"", ".", "this"} or rest.startswith(("this.", "this/", "./"))
        for prefix in ("this.", "this/", "./"):
            rest = rest.removeprefix(prefix)
        if rest in {".", "this"}:
            rest = ""
        segments = tuple(
            literal or plain for literal, plain in _SEGMENT.findall(rest) if literal or plain
        )
        if not segments and not this:
            self.fail(f"{text!r} is not a name", start)
        return Path(text, up, data, this, segments)


def _peek(text: str, at: int) -> str:
    found = _TOKEN.match(text, at)
    if found is None or found.lastgroup is None:
        return ""
    value = found.group(found.lastgroup)
    if found.lastgroup == "mark":
        return "open" if value == "(" else "mark"
    if found.lastgroup == "word" and (_NUMBER.fullmatch(value) or value in _CONSTANTS):
        return "number"
    return found.lastgroup


def _end_of(pattern: str, text: str, at: int) -> int:
    found = re.compile(pattern).match(text, at)
    return at if found is None else found.end()
