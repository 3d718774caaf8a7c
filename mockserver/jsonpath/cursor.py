"""A cursor over the text of a JSONPath."""

import re
from typing import Final, NoReturn

MAX_CHARACTERS: Final = 10_000
MAX_DEPTH: Final = 50  # brackets and filters inside each other
_QUOTED: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""


class JsonPathError(ValueError):
    """The expression is not a JSONPath this server knows."""


class Cursor:
    """The text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        if len(text) > MAX_CHARACTERS:
            raise JsonPathError(f"a JSONPath of more than {MAX_CHARACTERS} characters")

    def fail(self, problem: str) -> NoReturn:
        """Raise `JsonPathError` for the place that was reached."""
        raise JsonPathError(f"{problem} at column {self.at + 1} of JSONPath {self.text!r}")

    def deeper(self) -> None:
        """Note that something nested begins."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep")

    def at_end(self) -> bool:
        """Whether all is read."""
        return self.at >= len(self.text)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def spaces(self) -> None:
        """Skip blanks."""
        while not self.at_end() and self.text[self.at].isspace():
            self.at += 1

    def take(self, token: str) -> bool:
        """Take `token` if it is next."""
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        """Take `token`, which must be next after blanks."""
        self.spaces()
        if not self.take(token):
            self.fail(f"expected {token!r}")

    def comma(self) -> bool:
        """Take a comma with the blanks around it, if it is next."""
        self.spaces()
        found = self.take(",")
        self.spaces()
        return found

    def pattern(self, regex: str) -> str | None:
        """Take what fits `regex`, if it is next and not empty."""
        found = re.compile(regex).match(self.text, self.at)
        if found is None or not found.group():
            return None
        self.at = found.end()
        return found.group()

    def quoted(self) -> str:
        """Take a string in quotes."""
        literal = self.pattern(_QUOTED)
        if literal is None:
            self.fail("expected a string in quotes")
        return re.sub(r"\\(.)", r"\1", literal[1:-1])
