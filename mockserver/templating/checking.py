"""What of a template means nothing here, found before anybody asks for it.

A name that means nothing is written as nothing, so a slip of the pen would go unseen; and what
WireMock has and this server has not would be another answer. Names inside a block with a context
of its own (`each`, `with`) cannot be known and are not looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from mockserver.templating.evaluation import Helper, helper_of
from mockserver.templating.helpers import HELPERS, UNSUPPORTED
from mockserver.templating.request_values import REQUEST, REQUEST_LINE
from mockserver.templating.syntax import Block, Call, Expression, Literal, Node, Output, Path

_DATA: Final = frozenset({"root", "index", "index_1", "key", "first", "last", "odd", "even"})
_CHANGES_CONTEXT: Final = frozenset({"each", "with", "arrayJoin"})
# Which argument names what the helper keeps, inline and as a block.
_KEEPS: Final[Mapping[str, tuple[int, int]]] = {
    "assign": (0, 0),
    "parseJson": (1, 0),
    "formData": (1, 1),
    "regexExtract": (2, 2),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong. `fails`: every rendering that comes by it fails, in WireMock too."""

    text: str
    fails: bool = False


def problems(nodes: tuple[Node, ...]) -> list[Problem]:
    """Everything in the template that means nothing here, each once."""
    kept = set(_kept(nodes))
    # A name that is worked out could be any.
    known = None if "" in kept else frozenset({"request", "parameters", *kept})
    return list(dict.fromkeys(_in_nodes(nodes, known)))


def _in_nodes(nodes: tuple[Node, ...], known: frozenset[str] | None) -> Iterator[Problem]:
    for node in nodes:
        if isinstance(node, Output):
            yield from _in_expression(node.expression, known)
        elif isinstance(node, Block):
            yield from _in_call(node.call, known, block=True)
            inside = None if _changes_context(node.call) else known
            if inside is not None:
                inside |= set(node.names)
            yield from _in_nodes(node.body, inside)
            yield from _in_nodes(node.inverse, known)


def _changes_context(call: Call) -> bool:
    """Whether names inside the block may be those of some value."""
    return call.target.text in _CHANGES_CONTEXT or helper_of(call, HELPERS) is None


def _in_expression(expression: Expression, known: frozenset[str] | None) -> Iterator[Problem]:
    if not isinstance(expression, Literal):
        yield from _in_call(expression, known, block=False)


def _in_call(call: Call, known: frozenset[str] | None, *, block: bool) -> Iterator[Problem]:
    helper = helper_of(call, HELPERS)
    options = {name for name, _ in call.options}
    # `val x or='y'` is there for an x that may mean nothing.
    optional = call.target.text == "val" and bool(options & {"or", "default"})
    for argument in call.arguments:
        yield from _in_expression(argument, None if optional else known)
    for _, value in call.options:
        yield from _in_expression(value, known)
    if helper is not None:
        yield from _unknown_options(call, helper)
        return
    name = call.target.text
    if name in UNSUPPORTED and (block or call.arguments or call.options):
        yield Problem(f"the helper {name} of WireMock is not supported")
    elif call.arguments or call.options:
        yield Problem(f"there is no helper {name}", fails=True)
    else:
        yield from _unknown_name(call.target, known)


def _unknown_options(call: Call, helper: Helper) -> Iterator[Problem]:
    for name, _ in call.options:
        if name not in helper.options:
            yield Problem(f"the helper {call.target.text} has no option {name} here")


def _unknown_name(path: Path, known: frozenset[str] | None) -> Iterator[Problem]:
    if path.data:
        if path.segments[:1] and path.segments[0] not in _DATA:
            yield Problem(f"there is no @{path.segments[0]}")
        return
    if path.up or known is None or not path.segments:
        return
    first, *rest = path.segments
    if first not in known:
        yield Problem(_missing(path.text, first, known | HELPERS.keys()))
    elif first == "request" and rest:
        if rest[0] not in REQUEST:
            yield Problem(_missing(path.text, rest[0], REQUEST))
        elif rest[0] == "requestLine" and rest[1:] and rest[1] not in REQUEST_LINE:
            yield Problem(_missing(path.text, rest[1], REQUEST_LINE))


def _missing(text: str, name: str, known: frozenset[str]) -> str:
    near = get_close_matches(name, known, n=1)
    meant = f" (is it {near[0]!r}?)" if near else ""
    return f"the name {text} means nothing{meant}"


def _kept(nodes: tuple[Node, ...]) -> Iterator[str]:
    """The names under which values are kept; "" for one that is worked out."""
    for node in nodes:
        if isinstance(node, Output):
            yield from _kept_in(node.expression, block=False)
        elif isinstance(node, Block):
            yield from _kept_in(node.call, block=True)
            yield from _kept(node.body)
            yield from _kept(node.inverse)


def _kept_in(expression: Expression, *, block: bool) -> Iterator[str]:
    if isinstance(expression, Literal):
        return
    for argument in [*expression.arguments, *(value for _, value in expression.options)]:
        yield from _kept_in(argument, block=False)
    name = expression.target.text
    if name in _KEEPS:
        index = _KEEPS[name][block]
        if index < len(expression.arguments):
            yield _constant(expression.arguments[index])
    yield from (_constant(value) for key, value in expression.options if key == "assign")


def _constant(expression: Expression) -> str:
    constant = isinstance(expression, Literal) and isinstance(expression.value, str)
    return str(expression.value) if constant and isinstance(expression, Literal) else ""
