"""Metrics as text, and the histograms behind some of them."""

from __future__ import annotations

import pytest

from stockstream.histogram import Histogram
from stockstream.metrics import (
    counter,
    counters,
    counters_by,
    gauge,
    gauges,
    histogram,
    histograms_by,
    states,
)
from tests.support.exposition import parse
from web.watch.exposition import exposition


def test_each_kind_is_written_as_the_format_asks() -> None:
    """HELP, TYPE, then the samples, each family once; None is no sample."""
    text = exposition(
        [
            counter("things_total", "Things.", 3),
            gauge("level", "A level.", 0.25),
            gauge("unknown", "Not known.", None),
            counters("done_total", "By path.", [({"path": "a/b", "kind": "crash"}, 1)]),
            counters_by("code", "refused_total", "By code.", {"b": 2, "a": 1}),
            states("state", "A state.", ["open", "closed"], [({}, "open")]),
        ]
    )
    assert text == (
        "# HELP things_total Things.\n# TYPE things_total counter\nthings_total 3\n"
        "# HELP level A level.\n# TYPE level gauge\nlevel 0.25\n"
        "# HELP unknown Not known.\n# TYPE unknown gauge\n"
        "# HELP done_total By path.\n# TYPE done_total counter\n"
        'done_total{path="a/b",kind="crash"} 1\n'
        "# HELP refused_total By code.\n# TYPE refused_total counter\n"
        'refused_total{code="a"} 1\nrefused_total{code="b"} 2\n'
        "# HELP state A state.\n# TYPE state gauge\n"
        'state{state="open"} 1\nstate{state="closed"} 0\n'
    )
    assert len(parse(text)) == 7


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    """A value on a bound belongs to it; what is above all is in the count only."""
    took = Histogram((0.5, 1, 10))
    for value in (0.1, 0.5, 0.75, 10, 11):
        took.add(value)
    assert took.cumulative() == [2, 3, 4, 5]
    assert parse(exposition([histogram("took_seconds", "Took.", took)])) == {
        'took_seconds_bucket{le="0.5"}': 2,
        'took_seconds_bucket{le="1"}': 3,
        'took_seconds_bucket{le="10"}': 4,
        'took_seconds_bucket{le="+Inf"}': 5,
        "took_seconds_sum": 22.35,
        "took_seconds_count": 5,
    }


def test_labels_and_help_are_escaped() -> None:
    """Whatever a path or a node is called."""
    text = exposition([gauges("x", "a\\b\nc", [({"path": 'a"b\\c\nd'}, 1)])])
    assert text.splitlines() == [
        "# HELP x a\\\\b\\nc",
        "# TYPE x gauge",
        'x{path="a\\"b\\\\c\\nd"} 1',
    ]
    parse(text)


def test_misuse_is_loud() -> None:
    """A name twice, a name that is none, a counter that does not say so, bounds that fall."""
    with pytest.raises(ValueError, match="two families are called 'x'"):
        exposition([gauge("x", "X.", 1), gauge("x", "Again.", 1)])
    for name in ("a-b", ""):
        with pytest.raises(ValueError, match="no name of a metric"):
            gauge(name, "None.", 1)
    with pytest.raises(ValueError, match="end in _total"):
        counter("things", "Things.", 1)
    with pytest.raises(ValueError, match="end in _total"):
        gauge("things_total", "Things.", 1)
    with pytest.raises(ValueError, match="rise"):
        Histogram((1, 1))


def test_histograms_of_one_family_are_told_apart_by_labels() -> None:
    """Each with its own buckets, the bound last among the labels."""
    one, other = Histogram((1,)), Histogram((1,))
    one.add(2)
    text = exposition([histograms_by("upstream", "x", "X.", {"b": other, "a": one})])
    assert text.splitlines()[2:] == [
        'x_bucket{upstream="a",le="1"} 0',
        'x_bucket{upstream="a",le="+Inf"} 1',
        'x_sum{upstream="a"} 2',
        'x_count{upstream="a"} 1',
        'x_bucket{upstream="b",le="1"} 0',
        'x_bucket{upstream="b",le="+Inf"} 0',
        'x_sum{upstream="b"} 0',
        'x_count{upstream="b"} 0',
    ]
