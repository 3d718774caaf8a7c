"""From the text of a JSONPath to its steps."""

from collections.abc import Callable
from typing import Final

from mockserver.json_types import Json, NotJson, read_json
from mockserver.jsonpath import steps
from mockserver.jsonpath.comparisons import COMPARISONS, MISSING, Missing, Operand
from mockserver.jsonpath.cursor import Cursor
from mockserver.jsonpath.functions import FUNCTIONS, applied
from mockserver.jsonpath.steps import Document, Path, Predicate, Step
from mockserver.regexes import Regex, RegexError, UnsupportedRegexError, compile_regex

Read = Callable[[Json, Document], Operand]

_NAME: Final = r"[^\s.\[\]()*,'\"]+"
_NAME_IN_FILTER: Final = r"[^\s.\[\]()*,'\"=!<>&|~]+"
_COMPARISON: Final = (
    r"==|!=|<=|>=|=~|<|>|(?:in|nin|contains|subsetof|anyof|noneof|size|empty)(?=[\s\[('\"@$])"
)
_CONSTANTS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}


def read_path(text: str) -> Path:
    """The path `text`; it may lack its `$`, as in Jayway. Raises `JsonPathError`."""
    cursor = Cursor(text)
    if not text:
        cursor.fail("expected a path")
    parser = _Parser(cursor)
    if cursor.take("$"):
        path = parser.steps(_NAME)
    elif cursor.peek() not in {"[", "."}:
        first, single = parser.dotted(_NAME)
        rest = parser.steps(_NAME)
        path = Path(single and rest.definite, (first, *rest.steps))
    else:
        path = parser.steps(_NAME)
    cursor.spaces()
    if not cursor.at_end():
        cursor.fail("unexpected text")
    return path


class _Parser:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def steps(self, name: str) -> Path:
        """The steps from here on; `name` is how far a name reaches."""
        cursor = self.cursor
        found: list[Step] = []
        definite = True
        while True:
            if cursor.take(".."):
                found.append(steps.descend)
                definite = False
                found.append(self.below(name))
            elif cursor.peek() == "." or cursor.peek() == "[":
                # Jayway takes a dot before a bracket.
                dot = cursor.take(".")
                if cursor.take("["):
                    step, single = self.bracket()
                elif dot and (function := self.function()) is not None:
                    if not definite:
                        cursor.fail("a function behind a path of many values is not supported")
                    return Path(definite=True, steps=(*found, function))
                else:
                    step, single = self.dotted(name)
                found.append(step)
                definite = definite and single
            else:
                return Path(definite, tuple(found))

    def below(self, name: str) -> Step:
        """The step behind `..`."""
        if not self.cursor.take("["):
            return self.dotted(name)[0]
        self.cursor.spaces()
        if self.cursor.take("?"):
            return steps.chosen_itself(self.filter())
        return self.bracket()[0]

    def function(self) -> Step | None:
        cursor = self.cursor
        call = cursor.pattern(r"[A-Za-z]+\(\s*\)")
        if call is None:
            return None
        name = call.partition("(")[0]
        if name not in FUNCTIONS:
            cursor.fail(f"the function {name}() is not supported")
        return applied(name)

    def dotted(self, name: str) -> tuple[Step, bool]:
        if self.cursor.take("*"):
            return steps.every, False
        found = self.cursor.pattern(name)
        if found is None:
            self.cursor.fail("expected a name")
        if self.cursor.peek() == "(":
            self.cursor.fail(f"the function {found}() is not supported")
        return steps.member(found), True

    def bracket(self) -> tuple[Step, bool]:
        cursor = self.cursor
        cursor.spaces()
        step: Step
        single = False
        if cursor.take("*"):
            step = steps.every
        elif cursor.take("?"):
            return steps.chosen(self.filter()), False
        elif cursor.peek() in {"'", '"'}:
            names = [cursor.quoted()]
            while cursor.comma():
                names.append(cursor.quoted())
            step = steps.member(names[0]) if len(names) == 1 else steps.members(names)
            single = True
        else:
            step, single = self.positions()
        cursor.expect("]")
        return step, single

    def positions(self) -> tuple[Step, bool]:
        cursor = self.cursor
        first = cursor.pattern(r"-?\d{1,18}")
        if cursor.take(":"):
            last = cursor.pattern(r"-?\d{1,18}")
            if cursor.peek() == ":":
                cursor.fail("a slice with a step is not supported")
            bounds = [None if bound is None else int(bound) for bound in (first, last)]
            return steps.part(slice(*bounds)), False
        if first is None:
            cursor.fail("expected an index, a name in quotes, *, a slice or a filter")
        indexes = [int(first)]
        while cursor.comma():
            index = cursor.pattern(r"-?\d{1,18}")
            if index is None:
                cursor.fail("expected an index")
            indexes.append(int(index))
        if len(indexes) == 1:
            return steps.index(indexes[0]), True
        return steps.union([steps.index(index) for index in indexes]), False

    def filter(self) -> Predicate:
        """`(…)]`, read behind `[?`."""
        self.cursor.deeper()
        self.cursor.expect("(")
        predicate = self.either()
        self.cursor.expect(")")
        self.cursor.expect("]")
        self.cursor.depth -= 1
        return predicate

    def either(self) -> Predicate:
        alternatives = [self.both()]
        while self.operator("||"):
            alternatives.append(self.both())
        if len(alternatives) == 1:
            return alternatives[0]
        return lambda node, document: any(predicate(node, document) for predicate in alternatives)

    def both(self) -> Predicate:
        parts = [self.condition()]
        while self.operator("&&"):
            parts.append(self.condition())
        if len(parts) == 1:
            return parts[0]
        return lambda node, document: all(predicate(node, document) for predicate in parts)

    def operator(self, token: str) -> bool:
        self.cursor.spaces()
        return self.cursor.take(token)

    def condition(self) -> Predicate:
        cursor = self.cursor
        cursor.spaces()
        cursor.deeper()
        if cursor.take("!"):
            negated = self.condition()
            cursor.depth -= 1
            return lambda node, document: not negated(node, document)
        if cursor.take("("):
            inner = self.either()
            cursor.expect(")")
            cursor.depth -= 1
            return inner
        cursor.depth -= 1
        return self.comparison()

    def comparison(self) -> Predicate:
        cursor = self.cursor
        left = self.operand()
        cursor.spaces()
        written = cursor.pattern(_COMPARISON)
        if written is None:
            return lambda node, document: not isinstance(left(node, document), Missing)
        cursor.spaces()
        right = self.operand()
        compare = COMPARISONS[written]
        return lambda node, document: compare(left(node, document), right(node, document))

    def operand(self) -> Read:
        cursor = self.cursor
        if cursor.peek() in {"@", "$"}:
            return self.path_operand()
        constant = self.constant()
        return lambda _, __: constant

    def path_operand(self) -> Read:
        from_root = self.cursor.take("$")
        if not from_root:
            self.cursor.take("@")
        path = self.steps(_NAME_IN_FILTER)

        def read(node: Json, document: Document) -> Operand:
            found = path.nodes(document.root if from_root else node, document)
            if not path.definite:
                return found or MISSING
            return found[0] if found else MISSING

        return read

    def constant(self) -> Operand:
        cursor = self.cursor
        if cursor.peek() in {"'", '"'}:
            return cursor.quoted()
        if cursor.peek() == "/":
            return self.regex()
        if cursor.peek() in {"[", "{"}:
            return self.collection()
        word = cursor.pattern(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|(?:true|false|null)\b")
        if word is None:
            cursor.fail("expected @, $, a string, a number, a list, true, false or null")
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if len(word) > 400:
            cursor.fail("a number of so many digits")
        return int(word) if word.lstrip("-").isdecimal() else float(word)

    def collection(self) -> Json:
        """A list of constants, or an object: as JSON, with strings in either quote."""
        cursor = self.cursor
        if cursor.take("["):
            cursor.deeper()
            cursor.spaces()
            items: list[Json] = []
            while not cursor.take("]"):
                if items:
                    cursor.expect(",")
                    cursor.spaces()
                item = self.constant()
                if isinstance(item, (Missing, Regex)):
                    cursor.fail("expected a value")
                items.append(item)
                cursor.spaces()
            cursor.depth -= 1
            return items
        written = cursor.pattern(r"\{[^{}]*\}")
        try:
            return read_json((written or "").replace("'", '"'))
        except NotJson:
            cursor.fail("expected an object")

    def regex(self) -> Regex:
        cursor = self.cursor
        literal = cursor.pattern(r"/(?:[^/\\]|\\.)*/[a-zA-Z]*")
        if literal is None:
            cursor.fail("expected a regular expression between slashes")
        body, _, flags = literal[1:].rpartition("/")
        if set(flags) - set("ismxud"):
            cursor.fail(f"the flags {flags!r} of a regular expression are not supported")
        try:
            return compile_regex(f"(?{flags}){body}" if flags else body)
        except (RegexError, UnsupportedRegexError) as error:
            cursor.fail(str(error))
