r"""Java's named sets of characters, written for inside the `[ ]` of the package `regex`."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import regex

if TYPE_CHECKING:
    from mockserver.regexes.reading import Text

LINE_ENDS: Final = r"\n\r\x85\u2028\u2029"
_BLANKS: Final = r"\x20\t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
_PREDEFINED: Final = {
    "d": "0-9",
    "w": "A-Za-z0-9_",
    "s": r"\x20\t\n\x0b\x0c\r",
    "h": _BLANKS,
    "v": rf"\x0b\x0c{LINE_ENDS}",
}
# Of ASCII only, as Java has them without UNICODE_CHARACTER_CLASS.
_POSIX: Final = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "Alnum": "A-Za-z0-9",
    "Punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "Graph": r"\x21-\x7e",
    "Print": r"\x20-\x7e",
    "Blank": r"\x20\t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r"\x20\t\n\x0b\x0c\r",
    "javaLowerCase": r"\p{Lowercase}",
    "javaUpperCase": r"\p{Uppercase}",
    "javaAlphabetic": r"\p{Alphabetic}",
    "javaDigit": r"\p{Nd}",
    "javaLetter": r"\p{L}",
    "javaLetterOrDigit": r"\p{L}\p{Nd}",
    "javaTitleCase": r"\p{Lt}",
    "javaISOControl": r"\x00-\x1f\x7f-\x9f",
    "L1": r"\x00-\xff",
    "LD": r"\p{L}\p{Nd}",
    "all": r"\x00-\U0010ffff",
}


def escaped(letter: str) -> str:
    """`letter` for the other dialect, inside and outside `[ ]`."""
    if letter.isascii() and letter.isalnum():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"


def folded(low: str, high: str) -> str:
    """The range from `low` to `high` with the letters of ASCII in both cases."""
    ranges = [(low, high)]
    for first, last, other in (("a", "z", str.upper), ("A", "Z", str.lower)):
        start, end = max(low, first), min(high, last)
        if start <= end:
            ranges.append((other(start), other(end)))
    return "".join(
        escaped(start) if start == end else f"{escaped(start)}-{escaped(end)}"
        for start, end in ranges
    )


def predefined(letter: str) -> str | None:
    r"""What `\d` and its like stand for, by their letter; in capitals, all but that."""
    if letter in _PREDEFINED:
        return _PREDEFINED[letter]
    return f"^{_PREDEFINED[letter.lower()]}" if letter in set("DWSHV") else None


def property_set(text: "Text", letter: str, *, ignore_case: bool) -> str:
    r"""What `\p{…}` stands for, read behind `p`; behind `P`, all but that."""
    name = text.pattern(r"\{\^?[A-Za-z0-9_ =:-]+\}|[A-Z]")
    if name is None:
        text.fail("a property without a name")
    name = name.strip("{}")
    negated = "^" if letter == "P" else ""
    if ignore_case and name in {"Lower", "Upper"}:
        name = "Alpha"
    if name in _POSIX:
        return negated + _POSIX[name]
    if not _is_known(name):
        text.unsupported(rf"\p{{{name}}}")
    return f"{negated}\\p{{{name}}}"


@lru_cache(maxsize=256)
def _is_known(name: str) -> bool:
    try:
        regex.compile(rf"\p{{{name}}}")
    except regex.error:
        return False
    return True
