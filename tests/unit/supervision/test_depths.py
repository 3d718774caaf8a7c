"""How many messages wait where."""

import trio
import trio.testing

from supervision import (
    Actor,
    ChildSpec,
    MailboxDepth,
    System,
    dynamic_supervisor,
    handles,
    mailbox_depths,
    start_child,
    supervisor,
)


class Work:
    """A message."""


class Busy(Actor):
    """Handles one message for ever."""

    @handles(Work)
    async def _work(self, _message: Work) -> None:
        await trio.sleep_forever()


async def test_a_crowd_is_one_with_the_fullest_of_it(autojump_clock: trio.testing.MockClock):
    """Under a supervisor of its own, too, and while nobody is there."""
    crowd = dynamic_supervisor("crowd")
    root = supervisor(
        "root", [ChildSpec("one", Busy), supervisor("deep", [crowd]), dynamic_supervisor("empty")]
    )
    system = System()
    depths = {}

    async def look():
        for _ in range(3):
            await start_child(system.ref("deep/crowd"), ChildSpec("any", Busy))
        await start_child(system.ref("deep/crowd"), supervisor("any", [ChildSpec("leaf", Busy)]))
        for path, messages in (
            ("one", 1), ("deep/crowd/2", 4), ("deep/crowd/3", 3), ("deep/crowd/4/leaf", 2),
        ):  # fmt: skip
            for _ in range(messages):
                system.ref(path).cast(Work())
        await trio.testing.wait_all_tasks_blocked()
        depths.update(mailbox_depths(system))
        system.stop()

    async with trio.open_nursery() as nursery:
        assert mailbox_depths(system) == {}
        await system.run(root, on_start=lambda _system: nursery.start_soon(look))
    # One is being handled; it waited as well, until it had its turn.
    queued = {path: depth.queued for path, depth in depths.items() if depth.queued}
    assert queued == {"deep/crowd/#": 3, "deep/crowd/#/leaf": 1}
    assert depths["deep/crowd/#"] == MailboxDepth(3, 4)
    assert set(depths) == {
        "root", "one", "deep", "deep/crowd", "deep/crowd/#", "deep/crowd/#/leaf", "empty",
        "empty/#",
    }  # fmt: skip
