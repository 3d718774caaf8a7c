"""Prometheus' text exposition format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockstream.metrics import Family, Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def exposition(families: Iterable[Family]) -> str:
    """All families as one text, in this order.

    Raises:
        ValueError: two have the same name; Prometheus would refuse the whole text.
    """
    lines: list[str] = []
    names: set[str] = set()
    for family in families:
        if family.name in names:
            raise ValueError(f"two families are called {family.name!r}")
        names.add(family.name)
        lines.append(f"# HELP {family.name} {family.text.translate(_HELP_ESCAPES)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.values:
            if isinstance(value, Histogram):
                lines.extend(_histogram(family.name, labels, value))
            else:
                lines.append(_sample(family.name, labels, value))
    return "".join(f"{line}\n" for line in lines)


def _histogram(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    *counts, count = histogram.cumulative()
    for bound, at_most in zip(histogram.bounds, counts, strict=True):
        yield _sample(f"{name}_bucket", {**labels, "le": _number(bound)}, at_most)
    yield _sample(f"{name}_bucket", {**labels, "le": "+Inf"}, count)
    yield _sample(f"{name}_sum", labels, histogram.total)
    yield _sample(f"{name}_count", labels, count)


def _sample(name: str, labels: Labels, value: float) -> str:
    pairs = ",".join(f'{key}="{v.translate(_LABEL_ESCAPES)}"' for key, v in labels.items())
    return f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
