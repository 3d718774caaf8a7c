"""Values as they are written on the command line of `stockstream chaos`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from stockstream.chaos.catalogue import BadParameters
from stockstream.chaos.experiment import BadExperiment, Experiment, parse_experiment

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
