"""The commands that the documentation tells people to type, as a shell would split them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(r"^ *```(\w*)")
_SHELL = {"", "sh", "bash", "console", "shell"}
_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?stockstream [^`]+)`")
_PROMPT = re.compile(
    r"^ *(?:\$ )?((?:[A-Z_]+=(?:\"[^\"]*\"|'[^']*'|\S+) )*(?:\.venv/bin/)?stockstream .+)$"
)
_ENDS = {"|", ">", ">>", "&", "&&", ";", "||", "<"}
_SETTING = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Command:
    """A command, where it stands, and the settings before it; `shown` is what the page has."""

    page: str
    line: int
    shown: str
    settings: dict[str, str]
    arguments: tuple[str, ...]
    in_block: bool


def commands(page: Path, root: Path) -> Iterator[Command]:
    """Those in blocks of shell, and those in backquotes."""
    language: str | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is not None:
            language = fence[1] if language is None else None
            continue
        if language is None:
            found = [text.replace("\\|", "|") for text in _INLINE.findall(line)]
        elif language in _SHELL:
            found = [match[1] for match in [_PROMPT.match(line)] if match is not None]
        else:
            found = []
        for text in found:
            yield _command(text, str(page.relative_to(root)), number, in_block=language is not None)


def _command(text: str, page: str, line: int, *, in_block: bool) -> Command:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in _ENDS:
            break
        words.append(word)
    settings: dict[str, str] = {}
    while _SETTING.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    return Command(page, line, text, settings, tuple(words[1:]), in_block)
