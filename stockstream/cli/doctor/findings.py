"""What a check has found, and what follows of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Result(StrEnum):
    """How a check ended: all is well; worth knowing; will hurt one day; hurts now; not looked."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """What there is, in words, and what to `do` about it, where something is to be done."""

    result: Result
    message: str
    do: str | None = None


def ok(message: str) -> Finding:
    """All is well."""
    return Finding(Result.OK, message)


def info(message: str, do: str | None = None) -> Finding:
    """Nothing is wrong, and it is worth knowing."""
    return Finding(Result.INFO, message, do)


def warning(message: str, do: str) -> Finding:
    """A server would run, and one day it will hurt."""
    return Finding(Result.WARNING, message, do)


def failed(message: str, do: str) -> Finding:
    """A server would not run, or not as the settings want it."""
    return Finding(Result.FAILED, message, do)


def skipped(message: str) -> Finding:
    """It was not looked at."""
    return Finding(Result.SKIPPED, message)


_WORST_FIRST = (Result.FAILED, Result.WARNING, Result.INFO, Result.SKIPPED, Result.OK)


def worst_of(findings: Sequence[Finding]) -> Finding:
    """The findings of one check as one: the worst result, the words of all that are so bad."""
    worst = min((one.result for one in findings), key=_WORST_FIRST.index)
    chosen = [one for one in findings if one.result is worst]
    todo = dict.fromkeys(one.do for one in chosen if one.do is not None)
    return Finding(worst, "; ".join(one.message for one in chosen), "; ".join(todo) or None)


def exit_code(results: Sequence[Result], *, strict: bool) -> int:
    """1 when a check failed; with `strict`, a warning counts as that."""
    bad = {Result.FAILED, Result.WARNING} if strict else {Result.FAILED}
    return int(any(result in bad for result in results))
