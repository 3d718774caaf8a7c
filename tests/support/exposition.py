"""A strict reader of Prometheus' text exposition format, version 0.0.4."""

from __future__ import annotations

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Samples = dict[str, float]


def parse(text: str) -> Samples:
    """Samples by name and labels as they are written; fails on text that the format forbids."""
    assert text.endswith("\n")
    samples: Samples = {}
    kinds: dict[str, str] = {}
    family = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert re.fullmatch(NAME, family), line
            assert family not in kinds, f"{family} comes twice"
            assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", line), line
            kinds[family] = ""
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family, line
            assert kinds[name] == "", line
            assert kind in SUFFIXES, line
            kinds[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found is not None, line
            name, labels, value = found.groups()
            suffixes = SUFFIXES[kinds[family]]
            assert name in {family + suffix for suffix in suffixes}, f"{line} in {family}"
            key = f"{name}{{{labels}}}" if labels else name
            assert key not in samples, f"{key} comes twice"
            samples[key] = float(value)
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name
        if kind == "histogram":
            _check_histogram(name, samples)
    return samples


def _check_histogram(name: str, samples: Samples) -> None:
    """Each of the family, told apart by the labels before the bound."""
    bucket = re.compile(rf'{name}_bucket\{{(.*?),?le="([^"]+)"\}}')
    found: dict[str, list[tuple[float, float]]] = {}
    for key, value in samples.items():
        if (match := bucket.fullmatch(key)) is not None:
            found.setdefault(match[1], []).append((float(match[2]), value))
    for labels, buckets in found.items():
        braces = f"{{{labels}}}" if labels else ""
        bounds = [bound for bound, _ in buckets]
        assert bounds == sorted(bounds)
        assert bounds[-1] == float("inf")
        counts = [value for _, value in buckets]
        assert counts == sorted(counts)
        assert counts[-1] == samples[f"{name}_count{braces}"]
        assert f"{name}_sum{braces}" in samples
