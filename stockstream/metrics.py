"""Families of metrics: what a part of the product counts, with its names, without a format.

A part has a module `metrics` whose `families` makes them from its tables; `web.watch` writes them
all as one text. So a part can count something new, and the front end need not know of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.histogram import Histogram

Labels = dict[str, str]
Samples = tuple[tuple[Labels, "float | Histogram"], ...]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Family:
    """Samples under one name. `text` says what they are, in one sentence.

    Histograms are the live ones: write them out before other tasks get a turn.
    """

    name: str
    text: str
    kind: Literal["counter", "gauge", "histogram"]
    values: Samples

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            ValueError: it is not the name of a metric, or not of this kind.
        """
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a metric")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"counters end in _total, and nothing else does: {self.name!r}")


def counter(name: str, text: str, value: float | None) -> Family:
    """What only rises while the process lives; its name ends in `_total`. None is not known."""
    return counters(name, text, [({}, value)])


def counters(name: str, text: str, samples: Iterable[tuple[Labels, float | None]]) -> Family:
    """The same with labels."""
    return Family(name, text, "counter", _known(samples))


def counters_by(label: str, name: str, text: str, values: Mapping[str, float]) -> Family:
    """The same by one label, in order of its values."""
    return counters(name, text, [({label: key}, value) for key, value in sorted(values.items())])


def gauge(name: str, text: str, value: float | None) -> Family:
    """What rises and falls. None is not known."""
    return gauges(name, text, [({}, value)])


def gauges(name: str, text: str, samples: Iterable[tuple[Labels, float | None]]) -> Family:
    """The same with labels."""
    return Family(name, text, "gauge", _known(samples))


def gauges_by(label: str, name: str, text: str, values: Mapping[str, float]) -> Family:
    """The same by one label, in order of its values."""
    return gauges(name, text, [({label: key}, value) for key, value in sorted(values.items())])


def states(
    name: str, text: str, possible: Iterable[str], current: Iterable[tuple[Labels, str]]
) -> Family:
    """Which of the possible states each has: 1 for the current one, 0 for the others."""
    every = list(possible)
    return gauges(
        name,
        text,
        [
            ({**labels, "state": each}, float(each == now))
            for labels, now in current
            for each in every
        ],
    )


def histogram(name: str, text: str, values: Histogram) -> Family:
    """How values were spread."""
    return histograms(name, text, [({}, values)])


def histograms(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Family:
    """The same with labels."""
    return Family(name, text, "histogram", tuple(samples))


def histograms_by(label: str, name: str, text: str, values: Mapping[str, Histogram]) -> Family:
    """The same by one label, in order of its values."""
    return histograms(name, text, [({label: key}, each) for key, each in sorted(values.items())])


def _known(samples: Iterable[tuple[Labels, float | None]]) -> Samples:
    return tuple((labels, value) for labels, value in samples if value is not None)
