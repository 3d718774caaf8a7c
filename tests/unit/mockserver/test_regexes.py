"""Regular expressions mean what they mean in Java, or are refused; and none runs for ever."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.regexes import RegexError, TooSlow, UnsupportedRegexError, compile_regex
from mockserver.regexes.translation import MAX_REPEATED
from tests.unit.mockserver.support import request, server, stub

pytestmark = pytest.mark.proves("M5")


@pytest.mark.parametrize(
    ("text", "subject", "fits"),
    [
        (r".*\"a\"\s*:.*", '{\n "a": 1\n}', True),
        (r"\d+", "12", True),
        (r"\d+", "١٢", False),
        (r"\w+", "ä", False),
        ("[a-z&&[^b]]+", "acd", True),
        ("[a-z&&[^b]]+", "abd", False),
        ("[a-z&&[def]&&[d]]", "d", True),
        ("[^a-z&&[^b]]", "b", True),
        ("[a-c[x-z]]+", "ax", True),
        ("[]a]+", "]a", True),
        (r"[\s-.]+", " -.", True),
        (r"[\w.+-]+@[\w-]+", "a.b@c-d", True),
        (r"[|~#&]+", "|~#&", True),
        (r"\0101", "A", True),
        (r"\x{1F600}\u0041\x42", "\U0001f600AB", True),
        (r"\uD83D\uDE00", "\U0001f600", True),
        (r"\p{L}+\p{Lu}", "äÖ", True),
        (r"\p{Alpha}+", "ä", False),
        (r"\p{IsLatin}+", "abc", True),
        (r"\p{InGreek}", "\u03b1", True),
        (r"\P{Digit}", "5", False),
        (r"[\p{L}&&[^\p{Lu}]]+", "abc", True),
        (r"\Qa.b\E+", "a.bbb", True),
        (r"\Qa.b", "axb", False),
        (r"a\hb\Rc\z", "a b\r\nc", True),
        (r"(?<n>a)-\k<n>", "a-a", True),
        (r"(\w)\1", "aa", True),
        (r"(a)\11", "aa1", True),
        (r"a(?i)b", "aB", True),
        (r"a(?i)b", "AB", False),
        (r"(a(?i)b)c", "aBC", False),
        (r"(?i:[a-f]+)x", "aBFx", True),
        ("(?i)ä", "Ä", False),
        ("(?iu)ä", "Ä", True),
        (r"(?m)^a$\n^b$", "a\nb", True),
        ("(?-s)a.b", "a\nb", False),
        ("(?x) a b # both", "ab", True),
        ("(?<=a|bc)d|xd", "xd", True),
        ("a*+b|(?>a)c", "aab", True),
    ],
)
def test_javas_dialect(text: str, subject: str, fits: bool) -> None:
    """Each as `java.util.regex` with DOTALL answers it (asked of Java 17)."""
    assert compile_regex(text, dotall=True).matches(subject) is fits


@pytest.mark.parametrize(
    "text",
    ["[", "(", "a)", "*a", "a{", "a{x}", "(?<1a>b)", r"\y", "[z-a]", r"\p", "(?P<n>a)", r"\k<x>"],
)
def test_what_is_wrong_in_java_is_wrong_here(text: str) -> None:
    """The error names the expression."""
    with pytest.raises(RegexError, match="is not a regular expression"):
        compile_regex(text)


@pytest.mark.parametrize(
    "text",
    [
        r"\Ga", "(?U)a", r"\p{Foo}", "a{2}{3}", r"\b{g}",
        "(a{999}){999}", "(" * 200 + ")" * 200, "a" * 30_000,
        f"(?:ab){{{MAX_REPEATED}}}",
    ],
)  # fmt: skip
def test_what_only_java_runs_is_refused(text: str) -> None:
    """It is never taken for something else; nor may it fill the memory."""
    with pytest.raises(UnsupportedRegexError):
        compile_regex(text)


@given(st.text(alphabet=r"ab01()[]{}|*+?.^$\-&,<>=!:#QEpLdwsixk ", max_size=30))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    """No input fails in another way."""
    try:
        compile_regex(text, dotall=True).matches("ab01")
    except (RegexError, UnsupportedRegexError, TooSlow):
        return


@pytest.mark.proves("M14")
def test_an_expression_that_never_ends_is_given_up() -> None:
    """The answer is an [ERROR] that names it, soon, and the journal has it."""
    running = server(stub(urlPath="/", bodyPatterns=[{"matches": "(a|aa)+$"}]))
    begun = time.monotonic()
    answer = running.answer(request("/", "POST", b"a" * 60 + b"b"))
    assert time.monotonic() - begun < 10
    assert answer.status == 500
    assert answer.body.startswith(b"[ERROR] the regular expression '(a|aa)+$' was given up")
    (entry,) = running.journal.newest_first()
    assert entry.answer == answer
