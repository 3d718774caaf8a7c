"""A command is answered once, whichever actor dies at whichever step of serving it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.client import connected
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SESSION = "session"


class Killer(trio.abc.Instrument):
    """Runs an action after so many steps of the tasks it is told to watch."""

    def __init__(self, steps: int, watched: Callable[[trio.lowlevel.Task], bool]) -> None:
        self.left = steps
        self.action: Callable[[], object] | None = None
        self._watched = watched

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.action is None or not self._watched(task):
            return
        self.left -= 1
        if self.left < 0:
            action, self.action = self.action, None
            action()


@contextmanager
def killing(tree: Tree, target: str, steps: int) -> Iterator[Killer]:
    """Kill `target` after so many steps of the delivery's actors."""
    delivery = {cell.task for path, cell in tree.system.names.items() if "delivery/" in path}
    killer = Killer(steps, lambda task: task in delivery)
    killer.action = tree.system.ref(target).kill
    trio.lowlevel.add_instrument(killer)
    try:
        yield killer
    finally:
        trio.lowlevel.remove_instrument(killer)


def sessions(tree: Tree) -> list[str]:
    return [path for path in tree.system.names if path.startswith("delivery/sessions/")]


@pytest.mark.proves("W8", "W19", "W20", "C12", "C13")
@pytest.mark.parametrize(
    "target",
    [SESSION, "delivery/sessions", "delivery/broadcaster", "delivery/subscription_manager"],
)
async def test_a_command_is_answered_once_whenever_somebody_dies(
    target: str, nursery: trio.Nursery
) -> None:
    """Killed after the first step, the second, and so on, until a command is through before."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols=["TSLA"], id="first")
        await me.message("snapshot")
        commands = 0
        for steps in range(60):
            # The last victim's successor is there, and our session is the only one.
            await tree.until(
                lambda: (
                    len(sessions(tree)) == 1 and tree.system.names.keys() >= {target} - {SESSION}
                )
            )
            path = sessions(tree)[0] if target == SESSION else target
            with killing(tree, path, steps) as killer:
                for action in ("subscribe", "unsubscribe"):
                    commands += 1
                    await me.send(action=action, symbols=["AAPL", "MSFT"], id=commands)
                    await me.wait_for(lambda n=commands: me.messages_with_id(n) != [])
            if killer.action is not None:
                break
        else:
            pytest.fail("no command was ever through before the kill")
        assert steps > 3
        await me.send(action="ping", id="last")
        await me.wait_for(lambda: me.messages_with_id("last") != [])
        answered = [m["id"] for m in me.messages if "id" in m]
        assert answered == ["first", *range(1, commands + 1), "last"]
        states = [m["symbols"] for m in me.messages if m["type"] == "subscriptions"][1:]
        assert states == [["AAPL", "MSFT", "TSLA"], ["TSLA"]] * (commands // 2)
        prices = me.counts["prices"]
        await me.wait_for(lambda: me.counts["prices"] >= prices + 3)
        assert me.closed is None
