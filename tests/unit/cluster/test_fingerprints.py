"""Settings of two nodes, compared without telling them."""

from __future__ import annotations

import pytest

from stockstream.cluster.fingerprints import differing, fingerprints

SECRET = "s" * 32
MINE = {"DATABASE_URL": "postgresql://u:secret@h/d", "FETCH_SHARDS": "1"}


@pytest.mark.proves("N1")
def test_equal_settings_have_equal_fingerprints() -> None:
    """What is set on both."""
    assert differing(fingerprints(SECRET, MINE), fingerprints(SECRET, dict(MINE))) == ()


@pytest.mark.proves("N1")
def test_each_setting_that_differs_is_named() -> None:
    """One that an older release does not tell is not compared."""
    theirs = {"DATABASE_URL": "other", "FETCH_SHARDS": "8", "NEW": "1"}
    assert differing(fingerprints(SECRET, MINE), fingerprints(SECRET, theirs)) == (
        "DATABASE_URL",
        "FETCH_SHARDS",
    )


@pytest.mark.proves("N1")
def test_under_another_secret_only_the_secret_is_named() -> None:
    """All else differs then, whatever it is."""
    assert differing(fingerprints(SECRET, MINE), fingerprints("t" * 32, MINE)) == (
        "SECRET_KEY_BASE",
    )


def test_a_fingerprint_tells_nothing_of_the_setting() -> None:
    """Nor are two settings of one value seen to be equal."""
    told = fingerprints(SECRET, {"A": "x", "B": "x"})
    assert told["A"] != told["B"]
    assert SECRET not in told.values()
