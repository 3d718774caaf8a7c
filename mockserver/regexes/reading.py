"""A cursor over a Java expression: its characters, escapes and character classes."""

import re
import unicodedata
from typing import Final, NoReturn

from mockserver.regexes.classes import escaped, folded, predefined, property_set
from mockserver.regexes.errors import RegexError, UnsupportedRegexError

_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_MAX_NESTED_CLASSES: Final = 50
_QUOTED: Final = re.compile(r"\\Q(.*?)(?:\\E|\Z)|\\.", re.DOTALL)


def _unquoted(found: re.Match[str]) -> str:
    r"""What `\Q…\E` quotes, character by character, as Java does it before it reads on."""
    if found.group(1) is None:
        return found.group()
    return re.sub(r"[^A-Za-z0-9]", r"\\\g<0>", found.group(1))


class Text:
    """The expression and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = _QUOTED.sub(_unquoted, text) if r"\Q" in text else text
        self.at = 0
        self.depth = 0

    def fail(self, problem: str) -> NoReturn:
        """Raise `RegexError` for the place that was reached."""
        raise RegexError(f"{self.text!r} is not a regular expression: {problem} at {self.at}")

    def unsupported(self, what: str) -> NoReturn:
        """Raise `UnsupportedRegexError`."""
        raise UnsupportedRegexError(
            f"{self.text!r} is a regular expression with {what}, which is not supported"
        )

    def at_end(self) -> bool:
        """Whether all of it is read."""
        return self.at >= len(self.text)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        """Take the next character."""
        if self.at_end():
            self.fail("unexpected end")
        self.at += 1
        return self.text[self.at - 1]

    def take(self, token: str) -> bool:
        """Take `token` if it is next."""
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def pattern(self, pattern: str) -> str | None:
        """Take what fits `pattern`, if it is next and not empty."""
        found = re.compile(pattern, re.ASCII).match(self.text, self.at)
        if found is None or not found.group():
            return None
        self.at = found.end()
        return found.group()

    def character_escape(self) -> str:
        """The one character that an escape stands for, read behind its backslash."""
        letter = self.next()
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "0":
            digits = self.pattern("[0-3]?[0-7]{1,2}")
            return self.fail(r"\0 without digits") if digits is None else chr(int(digits, 8))
        if letter == "x":
            digits = self.pattern(r"[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,8}\}")
            return self.code(digits and digits.strip("{}"))
        if letter == "u":
            return self.unicode_escape()
        if letter == "c":
            return chr(ord(self.next()) ^ 64)
        if letter == "N":
            return self.named_character()
        if letter.isascii() and letter.isalpha():
            self.fail(f"unknown escape \\{letter}")
        return letter

    def code(self, digits: str | None) -> str:
        """The character with this number, in hexadecimal."""
        if digits is None or int(digits, 16) > 0x10FFFF:
            self.fail("a number of no character")
        return chr(int(digits, 16))

    def unicode_escape(self) -> str:
        """Four digits, or two times four for a pair of surrogates."""
        first = self.code(self.pattern("[0-9a-fA-F]{4}"))
        if "\ud800" <= first <= "\udbff":
            second = self.pattern(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
            if second is not None:
                pair = first + self.code(second[2:])
                return pair.encode("utf-16", "surrogatepass").decode("utf-16")
        return first

    def named_character(self) -> str:
        """A character by its Unicode name in braces."""
        name = self.pattern(r"\{[^}]*\}")
        try:
            return unicodedata.lookup((name or "")[1:-1])
        except KeyError:
            self.fail("a name of no character")

    def character_class(self, *, ignore_case: bool) -> str:
        """A class, read behind its `[`: unions, ranges, negation and intersections."""
        self.depth += 1
        if self.depth > _MAX_NESTED_CLASSES:
            self.unsupported("classes nested so deep")
        negated = "^" if self.take("^") else ""
        operands: list[list[str]] = [[]]
        first = True
        while first or not self.take("]"):
            if self.at_end():
                self.fail("an unclosed character class")
            if self.take("&&"):
                operands.append([])
            elif self.take("["):
                operands[-1].append(self.character_class(ignore_case=ignore_case))
            else:
                operands[-1].append(self.class_item(ignore_case=ignore_case))
            first = False
        self.depth -= 1
        if not operands[0]:
            self.fail("an intersection with nothing before &&")
        # Java takes a missing operand for no condition: [a&&] is [a].
        sets = [f"[{''.join(items)}]" for items in operands if items]
        return f"[{negated}{'&&'.join(sets)}]"

    def class_item(self, *, ignore_case: bool) -> str:
        """One character, a range or a predefined class inside `[ ]`."""
        low = self.class_character(ignore_case=ignore_case)
        if len(low) != 1:
            return low  # a predefined class; what follows it is no range
        if self.peek() != "-" or self.text[self.at + 1 : self.at + 2] in {"]", "[", ""}:
            return folded(low, low) if ignore_case else escaped(low)
        self.next()
        high = self.class_character(ignore_case=ignore_case)
        if len(high) != 1 or high < low:
            self.fail("illegal range of characters")
        return folded(low, high) if ignore_case else f"{escaped(low)}-{escaped(high)}"

    def class_character(self, *, ignore_case: bool) -> str:
        """One character as it is; or a predefined class, which is longer."""
        letter = self.next()
        if letter != "\\":
            return letter
        letter = self.peek()
        if (known := predefined(letter)) is not None:
            self.next()
            return f"[{known}]"
        if letter in {"p", "P"}:
            self.next()
            return f"[{property_set(self, letter, ignore_case=ignore_case)}]"
        return self.character_escape()
