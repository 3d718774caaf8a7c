"""From the syntax of `java.util.regex` to that of the package `regex` (its version 1).

A recursive descent over the expression. Flags are worked out here and written into each part, so
that the result needs none: `(?i)a` becomes `[aA]`, `.` a set of characters. Groups keep their
numbers. Character classes are in `classes.py`.
"""

from dataclasses import dataclass, replace
from typing import Final, NoReturn

from mockserver.regexes.classes import LINE_ENDS, escaped, folded, predefined, property_set
from mockserver.regexes.errors import RegexError, UnsupportedRegexError
from mockserver.regexes.reading import Text

__all__ = ["RegexError", "UnsupportedRegexError", "translate"]

MAX_CHARACTERS: Final = 20_000
MAX_DEPTH: Final = 100  # groups inside each other
MAX_REPEATED: Final = 100_000
"""Parts once the counts are multiplied out: the engine writes `(a{99}){99}` out in memory."""

_LAST_LINE_END: Final = f"(?:\\r\\n|[{LINE_ENDS}])?"
_ANCHORS: Final = {
    "b": r"\b",
    "B": r"\B",
    "A": r"\A",
    "z": r"\Z",
    "Z": rf"(?={_LAST_LINE_END}\Z)",
    "R": rf"(?:\r\n|[\x0b\x0c{LINE_ENDS}])",
    "X": r"\X",
}


@dataclass(frozen=True, slots=True)
class _Flags:
    ignore_case: bool
    dotall: bool
    multiline: bool = False
    comments: bool = False
    unicode_case: bool = False
    unix_lines: bool = False


_FLAGS: Final = {
    "i": "ignore_case",
    "s": "dotall",
    "m": "multiline",
    "x": "comments",
    "u": "unicode_case",
    "d": "unix_lines",
}


def translate(text: str, *, dotall: bool, ignore_case: bool) -> str:
    """`text` in the other dialect. Raises `RegexError` or `UnsupportedRegexError`."""
    if len(text) > MAX_CHARACTERS:
        raise UnsupportedRegexError(
            f"a regular expression of more than {MAX_CHARACTERS} characters"
        )
    return _Translation(text, _Flags(ignore_case, dotall)).whole()


class _Translation:
    """One expression. Each method returns what it read, translated, and how large that is."""

    def __init__(self, text: str, flags: _Flags) -> None:
        self.text = Text(text)
        self.flags = flags
        self.groups = 0
        self.names: dict[str, int] = {}
        self.depth = 0

    def fail(self, problem: str) -> NoReturn:
        self.text.fail(problem)

    def whole(self) -> str:
        translated, _ = self.alternatives()
        if not self.text.at_end():
            self.fail("unbalanced )")
        return translated

    def alternatives(self) -> tuple[str, int]:
        parts = [self.sequence()]
        while self.text.take("|"):
            parts.append(self.sequence())
        return "|".join(part for part, _ in parts), sum(size for _, size in parts)

    def sequence(self) -> tuple[str, int]:
        parts: list[str] = []
        total = 0
        while not self.text.at_end() and self.text.peek() not in {"|", ")"}:
            if self.flags.comments and self.comment():
                continue
            part, size = self.repeated(*self.atom())
            parts.append(part)
            total += size
        return "".join(parts), total

    def comment(self) -> bool:
        """Skip a blank, or a comment to the end of its line, of a `(?x)` expression."""
        if self.text.peek().isspace():
            self.text.next()
            return True
        if not self.text.take("#"):
            return False
        while not self.text.at_end() and self.text.next() != "\n":
            continue
        return True

    def repeated(self, part: str, size: int) -> tuple[str, int]:
        while self.flags.comments and not self.text.at_end() and self.comment():
            continue
        mark = self.text.pattern(r"[*+?]|\{\d+(?:,\d*)?\}")
        if mark is None:
            if self.text.peek() == "{":
                self.fail("illegal repetition")
            return part, size
        if part == "":
            self.fail("nothing to repeat")
        if mark.startswith("{"):
            low, _, high = mark[1:-1].partition(",")
            most = int(high or low)
            if int(low) > most:
                self.fail("a repetition whose bounds are the wrong way round")
            size *= max(1, most)
            if size > MAX_REPEATED:
                self.text.unsupported("repetitions that multiply to so many")
        suffix = self.text.pattern("[?+]") or ""
        if self.text.pattern(r"[*+?]|\{\d") is not None:
            self.text.unsupported("a repetition of a repetition")
        # One part may have become several characters.
        return f"(?:{part}){mark}{suffix}", size

    def atom(self) -> tuple[str, int]:
        letter = self.text.next()
        if letter == "(":
            return self.group()
        if letter == "[":
            return self.text.character_class(ignore_case=self.flags.ignore_case), 1
        if letter == "\\":
            return self.escape()
        if letter == ".":
            return self.dot(), 1
        if letter == "^":
            return self.line_start(), 1
        if letter == "$":
            return self.line_end(), 1
        if letter in "*+?":
            self.fail(f"dangling {letter}")
        if letter == "{":
            self.fail("illegal repetition")
        return self.literal(letter), 1

    def literal(self, letter: str) -> str:
        if not self.flags.ignore_case:
            return escaped(letter)
        if self.flags.unicode_case:
            return f"(?i:{escaped(letter)})"
        both = folded(letter, letter)
        return f"[{both}]" if both != escaped(letter) else both

    def dot(self) -> str:
        if self.flags.dotall:
            return r"(?s:.)"
        return r"[^\n]" if self.flags.unix_lines else f"[^{LINE_ENDS}]"

    def line_start(self) -> str:
        if not self.flags.multiline:
            return r"\A"
        return rf"(?:\A|(?<=[{LINE_ENDS}])(?<!\r(?=\n))(?!\Z))"

    def line_end(self) -> str:
        if not self.flags.multiline:
            return rf"(?={_LAST_LINE_END}\Z)"
        return rf"(?=[{LINE_ENDS}]|\Z)(?<!\r(?=\n))"

    def escape(self) -> tuple[str, int]:
        if self.text.at_end():
            self.fail("a backslash at the end")
        if self.text.take("E"):
            self.fail(r"\E without \Q")
        letter = self.text.peek()
        if letter in _ANCHORS:
            self.text.next()
            if letter == "b" and self.text.peek() == "{":
                self.text.unsupported(r"\b{…}")
            return _ANCHORS[letter], 1
        if letter == "k":
            return self.named_reference(), 1
        if letter in "123456789":
            return self.numbered_reference(), 1
        if letter == "G":
            self.text.unsupported(r"\G")
        if (known := predefined(letter)) is not None:
            self.text.next()
            return f"[{known}]", 1
        if letter in "pP":
            self.text.next()
            return f"[{property_set(self.text, letter, ignore_case=self.flags.ignore_case)}]", 1
        return self.literal(self.text.character_escape()), 1

    def named_reference(self) -> str:
        name = self.text.pattern(r"k<[A-Za-z][A-Za-z0-9]*>")
        if name is None or name[2:-1] not in self.names:
            self.fail(r"\k without the name of a group")
        return self.reference(self.names[name[2:-1]])

    def numbered_reference(self) -> str:
        number = int(self.text.next())
        # As Java reads it: \11 is group 11 where there is one, else group 1 and the digit.
        while (digit := self.text.peek()).isascii() and digit.isdecimal():
            if number * 10 + int(digit) > self.groups:
                break
            number = number * 10 + int(self.text.next())
        return self.reference(number)

    def reference(self, number: int) -> str:
        if number > self.groups:
            return "(?!)"
        return f"(?i:\\g<{number}>)" if self.flags.ignore_case else f"(?:\\g<{number}>)"

    def group(self) -> tuple[str, int]:
        opening = self.text.pattern(r"\?(?:[:=!>]|<[=!]|<[A-Za-z][A-Za-z0-9]*>)")
        if opening is None and self.text.peek() == "?":
            return self.flagged()
        return self.inside(f"({self.opened(opening)}", self.flags)

    def opened(self, opening: str | None) -> str:
        """What stands behind the parenthesis. A name becomes the number that it has anyway."""
        if opening is not None and not (opening.startswith("?<") and opening.endswith(">")):
            return opening
        self.groups += 1
        if opening is not None:
            name = opening[2:-1]
            if name in self.names:
                self.fail(f"the group {name} is there twice")
            self.names[name] = self.groups
        return ""

    def flagged(self) -> tuple[str, int]:
        written = self.text.pattern(r"\?[a-zA-Z]*(?:-[a-zA-Z]*)?[:)]")
        if written is None:
            self.fail("unknown kind of group")
        on, _, off = written[1:-1].partition("-")
        flags = self.flags
        for letters, value in ((on, True), (off, False)):
            for letter in letters:
                if letter == "U":
                    self.text.unsupported("the flag U")
                if letter not in _FLAGS:
                    self.fail(f"unknown flag {letter}")
                flags = replace(flags, **{_FLAGS[letter]: value})
        if written.endswith(")"):
            self.flags = flags
            return "", 0
        return self.inside("(?:", flags)

    def inside(self, opening: str, flags: _Flags) -> tuple[str, int]:
        """The rest of a group. Flags that are set inside hold to its end."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.text.unsupported(f"groups nested more than {MAX_DEPTH} deep")
        outer, self.flags = self.flags, flags
        part, size = self.alternatives()
        self.flags = outer
        self.depth -= 1
        if not self.text.take(")"):
            self.fail("an unclosed group")
        return f"{opening}{part})", size + 1
