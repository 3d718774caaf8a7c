"""Errors out of the groups in which nurseries raise them."""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def first_of(group: BaseExceptionGroup[E]) -> E:
    """An error of a group, however deep it is in groups of groups: all of them say the same."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
