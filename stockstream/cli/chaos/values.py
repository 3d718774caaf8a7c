"""Values as they are written on the command line of `stockstream chaos`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from stockstream.chaos.catalogue import BadParameters
from stockstream.chaos.experiment import BadExperiment, Experiment, parse_experiment
from stockstream.chaos.quantities import parse_duration, parse_rate
from stockstream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def experiment_in(file: Path) -> Experiment:
    """Read an experiment file.

    Raises:
        BadExperiment: it cannot be read, or is none.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadExperiment(f"{file}: cannot be read: {error}") from error
    return parse_experiment(text, str(file))


def seed_of(given: int | None) -> int:
    """The seed that was given, else one drawn."""
    return secrets.randbelow(2**32) if given is None else given


def duration(text: str) -> float:
    """Seconds, 0 or more.

    Raises:
        UsageError: it is no duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def positive_duration(text: str) -> float:
    """Seconds, more than 0.

    Raises:
        UsageError: it is no such duration.
    """
    seconds = duration(text)
    if seconds <= 0:
        raise UsageError(f"{text!r} is no time at all; write 250ms, 2s, 1.5m or 1h")
    return seconds


def rate_of(text: str) -> float:
    """Events per second.

    Raises:
        UsageError: it is no rate.
    """
    try:
        return parse_rate(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def assignment(text: str) -> tuple[str, object]:
    """A parameter written as name=value.

    Raises:
        BadParameters: it is not.
    """
    name, sign, value = text.partition("=")
    if not sign:
        raise BadParameters(f"{text!r} is no parameter; write name=value")
    try:
        return name, float(value) if "." in value else int(value)
    except ValueError:
        return name, value
