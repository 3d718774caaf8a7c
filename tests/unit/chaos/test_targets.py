"""Which actors a pattern means, what goes with them, and whom a random killer may hit."""

from __future__ import annotations

import random

import pytest

from stockstream.chaos.targets import (
    NoTarget,
    Target,
    fair_game,
    list_targets,
    matches,
    resolve,
    would_escalate,
)
from tests.support.tree import Tree, running_tree


async def targets_of(tree: Tree) -> dict[str, Target]:
    return {target.path: target for target in list_targets(tree.actors()["root"])}


@pytest.mark.parametrize(
    ("pattern", "path", "matching"),
    [
        ("market/streamer", "market/streamer", True),
        ("market/*", "market/streamer", True),
        ("market/*", "market", False),
        ("*", "market/streamer", False),
        ("delivery/sessions/*", "delivery/sessions/12", True),
        ("delivery/sess*", "delivery/sessions/12", False),
        ("*/stream*", "market/streamer", True),
    ],
)
def test_a_star_stands_within_one_part_of_a_path(pattern: str, path: str, matching: bool) -> None:
    assert matches(pattern, path) is matching


@pytest.mark.proves("C1")
async def test_targets_say_what_goes_with_them_and_what_budget_is_left() -> None:
    """The whole subtree counts; a kill costs one unit of the supervisor's intensity."""
    async with running_tree() as tree:
        found = await targets_of(tree)
        assert found["root"].blast_radius.actors == len(found)
        assert found["root"].blast_radius.disconnects
        assert found["market"].blast_radius.actors == 6
        assert not found["market"].blast_radius.disconnects
        assert found["root"].budget_left is None
        before = found["market/streamer"].budget_left
        assert before is not None
        assert tree.system.ref("market/streamer").kill()
        await tree.until(lambda: tree.actors()["market/streamer"].generation == 2)
        assert (await targets_of(tree))["market/streamer"].budget_left == before - 1


async def test_a_random_killer_leaves_supervisors_web_and_itself_alone() -> None:
    async with running_tree(chaos_enabled=True) as tree:
        fair = {target.path for target in fair_game(list(await_targets(tree)), ["pubsub"])}
        assert "market/streamer" in fair
        assert not fair & {
            "root",
            "market",
            "delivery",
            "delivery/sessions",
            "web",
            "chaos",
            "pubsub",
        }


def await_targets(tree: Tree) -> list[Target]:
    return list_targets(tree.actors()["root"])


async def test_drawing_is_repeatable_and_a_pattern_that_means_nobody_is_an_error() -> None:
    async with running_tree() as tree:
        found = await_targets(tree)
        drawn = [
            [target.path for target in resolve(found, "*", rng=random.Random(5), percent=40)]
            for _ in range(3)
        ]
        assert drawn[0] == drawn[1] == drawn[2]
        assert len(drawn[0]) == round(sum("/" not in t.path for t in found) * 0.4)
        with pytest.raises(NoTarget, match="market/nobody"):
            resolve(found, "market/nobody", rng=random.Random(5))


@pytest.mark.parametrize(
    ("path", "now"),
    [
        ("market/circuit_breaker", "market/feeds/sim/circuit_breaker"),
        ("market/feed", "market/feeds/sim/feed"),
        ("history/gateway", "database/gateway"),
        ("market/streamr", "market/streamer"),
    ],
)
async def test_who_names_an_actor_where_it_stands_no_more_is_told_its_new_path(
    path: str, now: str
) -> None:
    """An actor that moved keeps its name; after that a wrong letter is thought of."""
    async with running_tree() as tree:
        with pytest.raises(NoTarget, match=f"did you mean '{now}'"):
            resolve(await_targets(tree), path, rng=random.Random(5))


async def test_a_death_without_budget_left_would_escalate() -> None:
    async with running_tree() as tree:
        streamer = (await targets_of(tree))["market/streamer"]
        assert not would_escalate(streamer)
        spent = Target(**{
            name: getattr(streamer, name) for name in Target.__slots__ if name != "budget_left"
        }, budget_left=0)  # fmt: skip
        assert would_escalate(spent)
