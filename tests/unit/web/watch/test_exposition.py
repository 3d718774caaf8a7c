"""Metrics as text, and the histograms behind some of them."""

from __future__ import annotations

import pytest

from stockstream.histogram import Histogram
from tests.support.exposition import parse
from web.watch.exposition import Exposition


def test_each_kind_is_written_as_the_format_asks() -> None:
    """HELP, TYPE, then the samples, each family once; None is no sample."""
    out = Exposition()
    out.counter("things_total", "Things.", 3)
    out.gauge("level", "A level.", 0.25)
    out.gauge("unknown", "Not known.", None)
    out.counters("done_total", "By path.", [({"path": "a/b", "kind": "crash"}, 1)])
    out.state("state", "A state.", ["open", "closed"], "open")
    assert out.text() == (
        "# HELP things_total Things.\n# TYPE things_total counter\nthings_total 3\n"
        "# HELP level A level.\n# TYPE level gauge\nlevel 0.25\n"
        "# HELP unknown Not known.\n# TYPE unknown gauge\n"
        "# HELP done_total By path.\n# TYPE done_total counter\n"
        'done_total{path="a/b",kind="crash"} 1\n'
        "# HELP state A state.\n# TYPE state gauge\n"
        'state{state="open"} 1\nstate{state="closed"} 0\n'
    )
    assert len(parse(out.text())) == 5


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    """A value on a bound belongs to it; what is above all is in the count only."""
    histogram = Histogram((0.5, 1, 10))
    for value in (0.1, 0.5, 0.75, 10, 11):
        histogram.add(value)
    assert histogram.cumulative() == [2, 3, 4, 5]
    out = Exposition()
    out.histogram("took_seconds", "Took.", histogram)
    assert parse(out.text()) == {
        'took_seconds_bucket{le="0.5"}': 2,
        'took_seconds_bucket{le="1"}': 3,
        'took_seconds_bucket{le="10"}': 4,
        'took_seconds_bucket{le="+Inf"}': 5,
        "took_seconds_sum": 22.35,
        "took_seconds_count": 5,
    }


def test_labels_and_help_are_escaped() -> None:
    """Whatever a path or a node is called."""
    out = Exposition()
    out.gauges("x", "a\\b\nc", [({"path": 'a"b\\c\nd'}, 1)])
    assert out.text().splitlines() == [
        "# HELP x a\\\\b\\nc",
        "# TYPE x gauge",
        'x{path="a\\"b\\\\c\\nd"} 1',
    ]
    parse(out.text())


def test_misuse_is_loud() -> None:
    """A name twice, a name that is none, a counter that does not say so, bounds that fall."""
    out = Exposition()
    out.gauge("x", "X.", 1)
    for name in ("x", "a-b", ""):
        with pytest.raises(ValueError, match="no name of a metric"):
            out.gauge(name, "Again.", 1)
    with pytest.raises(ValueError, match="ends in _total"):
        out.counter("things", "Things.", 1)
    with pytest.raises(ValueError, match="rise"):
        Histogram((1, 1))
