"""Pauses of who tries again."""

from __future__ import annotations

import random

from stockstream.pauses import Pauses
from supervision import Backoff

BACKOFF = Backoff(first=0.1, longest=5.0)


def test_pauses_grow_and_begin_anew_after_a_success() -> None:
    """Each up to a fifth shorter than the double of the one before; never over the longest."""
    pauses = Pauses(BACKOFF, random.Random(3))
    for _ in range(2):
        for wanted in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
            assert 0.8 * wanted <= pauses.take() <= wanted
        pauses.reset()


def test_two_that_lost_the_same_do_not_keep_step() -> None:
    """A thousand workers would else ask the server that came back all in one moment."""
    first = {Pauses(BACKOFF).take() for _ in range(100)}
    assert len(first) > 90
