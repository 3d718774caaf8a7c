"""Each codec in any order of wishes, of time, and of frames that nobody promised."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from stockstream.market.providers.push import Prices, PushProvider, Refused, Subscribed
from tests.unit.market.providers.contract import NOBODY, Line, symbols_of
from tests.unit.market.providers.test_contract import HOSTILE, JSON, PROVIDERS, _places, sound

if TYPE_CHECKING:
    from stockstream.quotes import Symbol

STEPS, EXAMPLES = 12, 12


def machine(provider: PushProvider) -> type[RuleBasedStateMachine]:
    """A connection to this provider, as a machine."""
    known = (*symbols_of(provider)[:3], NOBODY)

    class Conversation(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.line = Line(provider)
            self.ever: set[Symbol] = set()
            self.judged = 0
            self.forged = False
            self.line.open()

        @rule(symbols=st.frozensets(st.sampled_from(known)))
        def want(self, symbols: frozenset[Symbol]) -> None:
            self.ever |= symbols
            self.line.want(*symbols)

        @rule(seconds=st.sampled_from([0.1, 1.0, 4.0]))
        def wait(self, seconds: float) -> None:
            self.line.run(seconds)

        @rule(frame=st.text(max_size=20) | st.binary(max_size=20))
        def hear_anything(self, frame: str | bytes) -> None:
            sound(self.line.hear(frame))

        @rule(data=st.data(), value=JSON | st.sampled_from(HOSTILE))
        def hear_changed(self, data: st.DataObject, value: object) -> None:
            """One of the provider's own frames, with a part of it replaced."""
            frames = [json.loads(frame) for frame in self.line.frames[-8:]]
            if not frames:
                return
            places = list(_places(data.draw(st.sampled_from(frames))))
            if not places:
                return
            container, key = data.draw(st.sampled_from(places))
            document = next(one for one in frames if any(c is container for c, _ in _places(one)))
            container[key] = value
            self.forged = True
            sound(self.line.hear(json.dumps(document)))

        @rule(number=st.integers(0, 7))
        def hear_again(self, number: int) -> None:
            """A duplicate, as late as may be."""
            if self.line.frames:
                sound(self.line.hear(self.line.frames[-1 - number % len(self.line.frames)]))

        @invariant()
        def tells_of_what_was_wanted_only(self) -> None:
            for event in self.line.events[self.judged :]:
                if isinstance(event, Prices):
                    assert {one.symbol for one in event.observations} <= self.ever
                elif isinstance(event, Subscribed):
                    assert event.symbols <= self.ever
                elif isinstance(event, Refused):
                    assert event.symbol in self.ever
            self.judged = len(self.line.events)

        @invariant()
        def sends_json_alone(self) -> None:
            for frame in self.line.sent[-3:]:
                assert isinstance(json.loads(frame), dict)

        def teardown(self) -> None:
            """It still works: what is wanted at the end is told, unless a forged frame said that
            it is refused, or ended the connection.
            """
            if self.forged:
                return
            self.line.want(*known[:2])
            self.line.run(1.0)
            self.line.events.clear()
            self.line.run(15.0)
            assert not self.line.troubles
            assert {one.symbol for one in self.line.prices} == set(known[:2])

    return Conversation


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.scheme)
def test_no_order_of_frames_and_wishes_breaks_a_codec(provider: PushProvider) -> None:
    """Nothing raises, no bad price is told, and nothing of what nobody wanted."""
    run_state_machine_as_test(
        machine(provider),
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
    )
