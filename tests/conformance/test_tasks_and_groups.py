"""R66 to R68: tasks with results, partitions, groups."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from supervision import (
    KILLED,
    NORMAL,
    Actor,
    CallTimeout,
    ChildSpec,
    Crash,
    Down,
    Groups,
    GroupStatistics,
    MaxChildren,
    NoProc,
    Restart,
    ServerExited,
    SpecError,
    Strategy,
    Task,
    TaskSupervisor,
    count_children,
    dynamic_supervisor,
    handles,
    partition,
    partition_of,
    partition_supervisor,
    resume,
    start_child,
    suspend,
    task_supervisor,
    terminate_child,
)
from tests.conformance.support import Boom, Note, Probe, Who, child


async def double(number: float) -> float:
    """Take as long as the number says."""
    await trio.sleep(number)
    if number == 13:
        raise Boom("unlucky")
    return 2 * number


async def starting(start, **settings):
    tree = await start([task_supervisor("tasks", **settings)])
    return tree, TaskSupervisor(tree["tasks"])


@pytest.mark.proves("R66")
async def test_r66_a_task_gives_its_result(start):
    """As often as it is asked, also after its end; nothing of it is left in the tree."""
    tree, tasks = await starting(start)
    task = await tasks.run(double, 3)
    assert task.reason is None
    with pytest.raises(RuntimeError, match="still runs"):
        task.result()
    assert await task.wait() == 6
    assert trio.current_time() == 3.0
    assert (await task.wait(), task.result(), task.reason) == (6, 6, NORMAL)
    assert (await count_children(tasks.ref)).specs == 0
    assert not [path for path in tree.system.paths if path.startswith("tasks/")]


@pytest.mark.proves("R66")
async def test_r66_a_task_is_not_linked(start):
    """Its error is raised where it is awaited, and nowhere else; it is not run again."""
    tree, tasks = await starting(start)
    task = await tasks.run(double, 13)
    with pytest.raises(ServerExited, match="unlucky") as caught:
        await task.wait(20)
    assert isinstance(caught.value.reason, Crash)
    assert isinstance(caught.value.reason.error, Boom)
    assert (await count_children(tasks.ref)).specs == 0
    assert tree["tasks"].generation == 1


@pytest.mark.proves("R66")
async def test_r66_a_wait_that_times_out_or_is_cancelled_leaves_the_task(start):
    """It goes on, and may be awaited again, or cancelled."""
    _, tasks = await starting(start)
    task = await tasks.run(double, 8)
    with pytest.raises(CallTimeout):
        await task.wait()
    with trio.move_on_after(1):
        await task.wait()
    assert trio.current_time() == 6.0
    assert await task.wait() == 16
    other = await tasks.run(double, 100)
    other.cancel()
    with pytest.raises(ServerExited) as caught:
        await other.wait()
    assert caught.value.reason == KILLED
    other.cancel()


@pytest.mark.proves("R66")
async def test_r66_the_askers_end_leaves_the_task(start, probe):
    """It was not started by a link."""

    class Asker(Actor):
        @handles(Note)
        async def _note(self, _message: Note) -> None:
            probe.append(await tasks.run(double, 5))
            raise Boom("the asker")

    tree = await start([task_supervisor("tasks"), ChildSpec("a", Asker)])
    tasks = TaskSupervisor(tree["tasks"])
    tree["a"].cast(Note("go"))
    await tree.settle()
    assert tree["a"].generation == 2
    assert await probe[0].wait(10) == 10


@pytest.mark.proves("R66", "R27")
async def test_r66_a_shutdown_cancels_the_tasks(start):
    """At once, as they wait; who awaits one hears of it."""
    tree, tasks = await starting(start)
    task = await tasks.run(trio.sleep_forever)
    await terminate_child(tree.root, "tasks")
    assert trio.current_time() == 0.0
    with pytest.raises(ServerExited, match="shutdown"):
        await task.wait()
    with pytest.raises(NoProc):
        await tasks.run(double, 1)


@pytest.mark.proves("R66")
async def test_r66_map_is_bounded_and_in_order(start):
    """Items are taken as there is room; the failed one fails alone, the slow one is cancelled."""
    _, tasks = await starting(start)
    taken: list[float] = []
    running = most = 0

    async def work(number: float) -> float:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await double(number)
        finally:
            running -= 1

    def items():
        for number in (3, 1, 13, 2, 99, 4):
            taken.append(number)
            yield number

    async with trio.open_nursery() as nursery:
        done: list = []

        async def go() -> None:
            done.extend(await tasks.map(work, items(), at_once=2, timeout=20))

        nursery.start_soon(go)
        await trio.sleep(0.5)
        assert taken == [3, 1, 13], "the third is taken, and waits for room"
    assert most == 2
    assert [task.reason for task in done if task.reason == NORMAL] == [NORMAL] * 4
    assert [done[index].result() for index in (0, 1, 3, 5)] == [6, 2, 4, 8]
    with pytest.raises(ServerExited, match="unlucky"):
        done[2].result()
    assert done[4].reason == KILLED
    with pytest.raises(ValueError, match="at least 1 task at once, not 0"):
        await tasks.map(work, [1], at_once=0)
    assert await tasks.map(work, [], at_once=1) == []


@pytest.mark.proves("R66")
async def test_r66_a_map_that_is_cancelled_takes_its_tasks_along(start):
    """Nobody would ever see their results."""
    tree, tasks = await starting(start)
    with trio.move_on_after(1):
        await tasks.map(double, [50] * 10, at_once=3)
    await tree.settle()
    assert (await count_children(tasks.ref)).specs == 0
    assert trio.current_time() == 1.0


@pytest.mark.proves("R66", "R37")
async def test_r66_the_supervisor_may_bound_its_tasks(start):
    """Beyond that it is an error of who asks."""
    _, tasks = await starting(start, max_children=1)
    first = await tasks.run(double, 1)
    with pytest.raises(MaxChildren):
        await tasks.run(double, 1)
    await first.wait()
    await (await tasks.run(double, 1)).wait()


# Partitions


class Shard(Actor):
    """Knows its number."""

    def __init__(self, number: int, probe: Probe) -> None:
        self.number = number
        self.probe = probe

    @handles(Who)
    def _who(self, _request: Who) -> tuple[str, int]:
        return self.path, self.number


@pytest.mark.proves("R67")
async def test_r67_a_key_leads_to_one_and_the_same(start, probe):
    """Over restarts too; each partition has its number, and keys reach all of them."""
    tree = await start([partition_supervisor("shards", Shard, partitions=4, args=(probe,))])
    ref = tree.system.ref("shards")
    keys = [*range(40), *(f"key {number}" for number in range(40)), b"x", ("a", 1), None]
    before = [await partition(ref, key).call(Who()) for key in keys]
    assert {number for _, number in before} == {0, 1, 2, 3}
    assert all(path == f"shards/{number}" for path, number in before)
    await tree.kill("shards/2")
    await tree.kill("shards")
    assert [await partition(ref, key).call(Who()) for key in keys] == before
    assert partition(ref, 7).path == "shards/3"
    assert partition(ref, -7).path == "shards/3"


@pytest.mark.proves("R67")
@given(st.integers() | st.text() | st.binary() | st.tuples(st.text()), st.integers(1, 50))
def test_r67_every_key_has_a_partition(key, partitions):
    """The same whenever it is asked."""
    number = partition_of(key, partitions)
    assert 0 <= number < partitions
    assert partition_of(key, partitions) == number


@pytest.mark.proves("R67")
def test_r67_text_leads_to_the_same_partition_in_every_process():
    """Python's own hash of text differs from one to the next."""
    code = (
        "from supervision import partition_of; print([partition_of(k, 97) for k in ('AAPL', b'x')])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(answers) == 1


@pytest.mark.proves("R67")
async def test_r67_it_is_a_supervisor_as_any(start, probe):
    """With a strategy, inside others, at the root; what is none is refused."""
    shards = partition_supervisor(
        "root", Shard, partitions=2, args=(probe,), strategy=Strategy.ONE_FOR_ALL
    )
    tree = await start(shards)
    assert (await count_children(tree.root)).specs == 2
    await tree.kill("1")
    assert [ref.generation for ref in tree.refs("0", "1")] == [2, 2]
    assert partition(tree.root, 3).path == "1"
    for ref in tree["0"], tree.system.ref("nobody"):
        with pytest.raises(NoProc):
            partition(ref, 1)
    for partitions in 0, -1, True, "3", None:
        with pytest.raises(SpecError, match=r"^invalid_partitions"):
            partition_supervisor("s", Shard, partitions=partitions)


# Groups


class Member(Actor):
    """Joins a group at each start."""

    def __init__(self, groups: Groups[str], probe: Probe) -> None:
        self.groups = groups
        self.probe = probe

    async def init(self) -> None:
        self.groups.join("all", self.ref)

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.probe.append(("note", self.path, message.text))


class Observer(Actor):
    """Notes how many members there are when it hears of an end."""

    def __init__(self, groups: Groups[str], probe: Probe, path: str) -> None:
        self.groups, self.probe, self.of = groups, probe, path

    async def init(self) -> None:
        self.monitor(self.system.ref(self.of))

    @handles(Down)
    def _down(self, message: Down) -> None:
        members = self.groups.members("all")
        self.probe.append(("down", self.path, message.ref in members))


@pytest.mark.proves("R68")
async def test_r68_several_actors_under_one_key(start, probe):
    """In the order in which they joined; each gets what is cast, and a successor joins anew."""
    groups: Groups[str] = Groups()
    tree = await start([ChildSpec(name, Member, (groups, probe)) for name in "abc"])
    assert groups.members("all") == tree.refs("a", "b", "c")
    assert groups.cast("all", Note("hello")) == 3
    await tree.settle()
    assert sorted(probe.of("note")) == ["a", "b", "c"]
    await tree.kill("a")
    assert groups.members("all") == tree.refs("b", "c", "a")
    assert groups.statistics() == GroupStatistics(keys=1, memberships=3)


@pytest.mark.proves("R68")
@pytest.mark.parametrize("end", ["kill", "stop", "crash"])
async def test_r68_a_group_empties_itself(start, probe, end):
    """Of all its groups a member is gone before anybody hears of its end."""
    groups: Groups[str] = Groups()
    tree = await start([child("x", probe, restart=Restart.TEMPORARY), dynamic_supervisor("d")])
    await start_child(tree["d"], ChildSpec("o", Observer, (groups, probe, "x")))
    ref = tree["x"]
    for key in "all", "some":
        groups.join(key, ref)
        groups.join(key, ref)
    assert groups.statistics() == GroupStatistics(keys=2, memberships=2)
    match end:
        case "kill":
            await tree.kill("x")
        case "stop":
            await tree.end("x", NORMAL)
        case "crash":
            await tree.crash("x")
    assert probe.details("down") == [False]
    assert (groups.keys(), groups.members("all"), groups.cast("all", Note("?"))) == ([], [], 0)
    assert not groups._joined
    with pytest.raises(NoProc):
        groups.join("all", ref)
    with pytest.raises(NoProc):
        groups.join("all", tree.system.ref("nobody"))


@pytest.mark.proves("R68")
async def test_r68_a_member_may_leave(start, probe):
    """One group or all; what it is not in is no error, and nothing of it stays."""
    groups: Groups[int] = Groups()
    tree = await start([child("x", probe), child("y", probe)])
    before = tree["x"].incarnation.at_end
    for key in 1, 2:
        groups.join(key, tree.system.ref("x"))
    groups.join(1, tree["y"])
    groups.leave(3, tree["x"])
    groups.leave(2, tree["y"])
    groups.leave(1, tree["x"])
    assert groups.members(1) == [tree["y"]]
    groups.leave(2, tree["x"])
    groups.leave(2, tree["x"])
    groups.leave(2, tree.system.ref("nobody"))
    assert groups.keys() == [1]
    assert tree["x"].incarnation.at_end == before
    await tree.kill("x")
    assert groups.members(1) == [tree["y"]]


# What was wrong once


@pytest.mark.proves("R66")
@pytest.mark.parametrize("how", ["cancelled", "timed out", "cancelled map"])
async def test_r66_a_start_that_is_given_up_runs_nothing(start, how):
    """Nobody would ever have the task. The request is still in the supervisor's mailbox."""
    tree, tasks = await starting(start)
    ran: list[object] = []

    async def note(item: object = None) -> None:
        ran.append(item)
        await trio.sleep_forever()

    await suspend(tasks.ref)
    if how == "timed out":
        with pytest.raises(CallTimeout):
            await tasks.run(note, start_timeout=1)
    else:
        with trio.move_on_after(1):
            if how == "cancelled":
                await tasks.run(note)
            else:
                await tasks.map(note, [1, 2], at_once=2)
    resume(tasks.ref)
    await tree.settle()
    assert ran == []
    assert (await count_children(tasks.ref)).specs == 0


@pytest.mark.proves("R66")
async def test_r66_a_start_that_is_given_up_after_it_began_is_cancelled(start):
    """The caller's cancellation and the supervisor's answer fall into one moment."""
    tree, tasks = await starting(start)
    for checkpoints in range(12):
        scope = trio.CancelScope()
        handed_out: list[Task[None]] = []

        async def cancels_its_starter(number: int, scope: trio.CancelScope) -> None:
            for _ in range(number):
                await trio.lowlevel.checkpoint()
            scope.cancel()
            await trio.sleep_forever()

        with scope:
            handed_out.append(await tasks.run(cancels_its_starter, checkpoints, scope))
        await tree.settle()
        assert (await count_children(tasks.ref)).specs == len(handed_out), checkpoints
        for task in handed_out:
            task.cancel()


@pytest.mark.proves("R66")
async def test_r66_map_raises_its_errors_as_they_are(start):
    """In no group; the tasks that run are cancelled. Wrong settings start nothing."""
    tree, tasks = await starting(start, max_children=2)

    def items():
        yield 50
        raise Boom("items")

    with pytest.raises(MaxChildren):
        await tasks.map(double, [50] * 3, at_once=3)
    await tree.settle()
    with pytest.raises(Boom, match="items"):
        await tasks.map(double, items(), at_once=2)
    await tree.settle()
    for wrong in -1, float("nan"):
        with pytest.raises(ValueError, match="is not 0 or more"):
            await tasks.map(double, [50], at_once=1, timeout=wrong)
    assert (await count_children(tasks.ref)).specs == 0
    assert trio.current_time() == 0


@pytest.mark.proves("R67")
@given(st.integers(-(2**70), 2**70), st.integers(1, 50))
def test_r67_equal_numbers_have_one_partition(number, partitions):
    """As in a dictionary: -1 is -1.0."""
    whole = float(number)
    assert partition_of(whole, partitions) == partition_of(int(whole), partitions)


class Mutable:
    """A key whose hash somebody changes."""

    def __init__(self) -> None:
        self.number = 1

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mutable) and self.number == other.number


@pytest.mark.proves("R68", "R75")
async def test_r68_a_key_that_was_changed_ends_nobody(start, probe):
    """The member leaves all its groups, and its supervisor knows nothing of it."""
    tree = await start([dynamic_supervisor("d")])
    ref = await start_child(tree["d"], child("x", probe, restart=Restart.TEMPORARY))
    groups: Groups[object] = Groups()
    key, other = Mutable(), Mutable()
    groups.join(key, ref)
    groups.join("sound", ref)
    key.number = 2
    groups.join(other, tree["d"])
    ref.kill()
    await tree.settle()
    assert tree["d"].generation == 1
    assert groups.keys() == [other]
    assert groups.statistics() == GroupStatistics(1, 1)
