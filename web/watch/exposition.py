"""Prometheus' text exposition format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

Labels = dict[str, str]


class Exposition:
    """Families of metrics, one after another. Values that are None are left out."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: set[str] = set()

    def counter(self, name: str, text: str, value: float | None) -> None:
        """What only rises while the process lives; its name ends in `_total`."""
        self.counters(name, text, [({}, value)])

    def counters(
        self, name: str, text: str, samples: Iterable[tuple[Labels, float | None]]
    ) -> None:
        """The same with labels."""
        if not name.endswith("_total"):
            raise ValueError(f"the name of a counter ends in _total, unlike {name!r}")
        self._family(name, text, "counter", samples)

    def gauge(self, name: str, text: str, value: float | None) -> None:
        """What rises and falls."""
        self.gauges(name, text, [({}, value)])

    def gauges(self, name: str, text: str, samples: Iterable[tuple[Labels, float | None]]) -> None:
        """The same with labels."""
        self._family(name, text, "gauge", samples)

    def state(self, name: str, text: str, states: Iterable[str], current: str | None) -> None:
        """One of several states: 1 for the current one, 0 for the others."""
        self.gauges(name, text, [({"state": s}, float(s == current)) for s in states])

    def histogram(self, name: str, text: str, histogram: Histogram) -> None:
        """How values were spread."""
        *counts, count = histogram.cumulative()
        self._begin(name, text, "histogram")
        for bound, at_most in zip(histogram.bounds, counts, strict=True):
            self._sample(f"{name}_bucket", {"le": _number(bound)}, at_most)
        self._sample(f"{name}_bucket", {"le": "+Inf"}, count)
        self._sample(f"{name}_sum", {}, histogram.total)
        self._sample(f"{name}_count", {}, count)

    def text(self) -> str:
        """All families, as they are sent."""
        return "".join(f"{line}\n" for line in self._lines)

    def _family(
        self,
        name: str,
        text: str,
        kind: Literal["counter", "gauge"],
        samples: Iterable[tuple[Labels, float | None]],
    ) -> None:
        self._begin(name, text, kind)
        for labels, value in samples:
            if value is not None:
                self._sample(name, labels, value)

    def _begin(self, name: str, text: str, kind: str) -> None:
        if not _NAME.fullmatch(name) or name in self._names:
            raise ValueError(f"{name!r} is no name of a metric, or one that was there before")
        self._names.add(name)
        self._lines.append(f"# HELP {name} {text.translate(_HELP_ESCAPES)}")
        self._lines.append(f"# TYPE {name} {kind}")

    def _sample(self, name: str, labels: Labels, value: float) -> None:
        pairs = ",".join(f'{key}="{v.translate(_LABEL_ESCAPES)}"' for key, v in labels.items())
        self._lines.append(
            f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}"
        )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
