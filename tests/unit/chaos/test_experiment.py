"""Experiment files: what is right is read, what is wrong is named with its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockstream.chaos.experiment import BadExperiment, Guard, allowed, parse_experiment

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "chaos").glob("*.toml"))
GOOD = """\
title = "t"

[guard]
allow = ["market/*"]

[[steady_state]]
kind = "websocket"

[[method]]
action = "kill"
target = "market/streamer"

[[method]]
action = "hang"
target = "market/streamer"
parameters = { seconds = 2 }
"""


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.proves("C6")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    assert parse_experiment(path.read_text(), path.name).method


@pytest.mark.proves("C6")
@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ('title = "t"', "", "x.toml:1:", "title"),
        ('title = "t"', 'title = "', "x.toml: ", "line 1"),
        ('kind = "websocket"', 'kind = "smoke"', "x.toml:7: steady_state[0].kind", "metric, sql"),
        ('kind = "websocket"', 'kind = "sql"\nabove = 1', "x.toml:6: steady_state[0].sql", "query"),
        (
            'kind = "websocket"',
            'kind = "sql"\nsql = "SELECT 1"',
            "x.toml:6: steady_state[0]",
            "above,",
        ),
        ('action = "kill"', 'action = "kil"', "x.toml:10: method[0].action", "kil"),
        ('action = "hang"', 'action = "hang"\nafter = 3', "x.toml:15: method[1].after", "after"),
        ("seconds = 2", "seconds = 0", "x.toml:16: method[1].parameters", "seconds must be from"),
        ("seconds = 2", "sec = 2", "x.toml:16: method[1].parameters", "there are: seconds"),
        ("[guard]", '[guard]\nenvironments = ["staging"]', "x.toml:4: guard.env", "production"),
        ('"market/*"', '"delivery/*"', "x.toml:11: method[0].target", "guard does not allow"),
        ('allow = ["market/*"]', "allow = 3", "x.toml:4: guard.allow", "array"),
        (
            'kind = "websocket"',
            'kind = "websocket"\nwithin = "soon"',
            "x.toml:8: steady_state[0].within",
            "no duration",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_key(
    old: str, new: str, place: str, says: str
) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(BadExperiment) as caught:
        parse_experiment(GOOD.replace(old, new, 1), "x.toml")
    assert str(caught.value).startswith(place)
    assert says in str(caught.value)


def test_a_guard_denies_what_it_also_allows() -> None:
    guard = Guard(allow=("*", "market/*"), deny=("market/streamer",))
    assert allowed(guard, "pubsub")
    assert allowed(guard, "market/circuit_breaker")
    assert not allowed(guard, "market/streamer")
    assert not allowed(guard, "delivery/broadcaster")
