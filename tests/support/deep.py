"""What is too long for every run of the tests: `make test-deep` does it."""

from __future__ import annotations

import os

import pytest

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
"""Whether this is that run."""


def only_deep(what: str) -> pytest.MarkDecorator:
    """Leaves a test out of the quick run; `what` goes on after "make test-deep"."""
    return pytest.mark.skipif(not DEEP, reason=f"make test-deep {what}")
