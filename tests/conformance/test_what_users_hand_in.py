"""R75: nothing a user hands in ends a supervisor, or any child but the one concerned."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervision import (
    Actor,
    Backoff,
    BadInit,
    ChildSpec,
    Conflate,
    Crash,
    DropOldest,
    Flags,
    InvalidHandler,
    MailboxPolicy,
    NotFound,
    Request,
    SpecError,
    StartFailed,
    count_children,
    delete_child,
    dynamic_supervisor,
    handles,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from supervision.supervising import DEEPEST
from tests.conformance.support import Boom, Plan, Probe, Who, child, start_tree


class Unwilling:
    """Its every method that Python calls by itself raises, or is not there."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise Boom("compared")

    def __repr__(self) -> str:
        raise Boom("shown")

    def __bool__(self) -> bool:
        raise Boom("judged")


class Plain(Actor):
    pass


class WrongMailbox(Actor):
    def __init__(self, mailbox: Any) -> None:
        self.mailbox = mailbox  # type: ignore[misc]


class Shadowing(Actor):
    """Takes names that the runtime uses on an actor."""

    def __init__(self) -> None:
        self._undelivered = None  # type: ignore[assignment, method-assign]
        self.terminate = 5  # type: ignore[assignment, method-assign]
        self.handlers = []  # type: ignore[assignment, misc]


@dataclass(frozen=True)
class Ask(Request[int]):
    what: object


NONSENSE = [
    None, True, 0, -1, 1.5, math.nan, math.inf, -math.inf, 10**400, "", "x", "a/b", "root", b"x",
    [], ["x"], {}, {"id": "x"}, (), ("x",), {1}, object(), Unwilling(), Plain, Actor, Plain(),
    lambda: None, lambda: 5, len, ChildSpec, Conflate, DropOldest(), Boom("x"), ...,
]  # fmt: skip
nonsense = st.sampled_from(NONSENSE) | st.text(max_size=3) | st.integers() | st.floats()


FIELDS = ("args", "restart", "shutdown", "kind", "significant", "start_timeout", "name")


def specs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Child specs of nonsense; where the spec itself is refused, its error."""
    fields = st.fixed_dictionaries(
        {"start": values | st.just(Plain)},
        optional=dict.fromkeys(FIELDS, values),
    )

    def make(child_id: Any, kwargs: dict[str, Any]) -> Any:
        try:
            return ChildSpec(child_id, **kwargs)
        except (SpecError, Boom, TypeError, ValueError) as error:
            return error

    return st.builds(make, st.sampled_from(["x", "y", "root"]) | values, fields)


CALLS = ("start", "terminate", "restart", "delete", "call", "cast", "ref", "stop")


async def hand_in(tree: Any, target: Any, call: str, value: Any, timeout: Any) -> None:
    """One public call with nonsense. What it raises is the caller's."""
    match call:
        case "start":
            await start_child(target, value, timeout=timeout)
        case "terminate":
            await terminate_child(target, value, timeout=timeout)
        case "restart":
            await restart_child(target, value, timeout=timeout)
        case "delete":
            await delete_child(target, value, timeout=timeout)
        case "call":
            await target.call(value, timeout=timeout)
        case "cast":
            target.cast(value)
        case "ref":
            tree.system.ref(value).cast(value)
            await tree.system.ref(value).call(Ask(value), timeout=timeout)
        case "stop":
            if not isinstance(value, Plain):
                target.stop(value)


timeouts = st.just(1.0) | st.sampled_from([-1, 10**400, math.nan, "x", None, Unwilling(), []])
steps = st.lists(
    st.tuples(st.sampled_from(CALLS), nonsense | specs(nonsense), timeouts), min_size=1, max_size=8
)


@pytest.mark.proves("R75")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.booleans())
def test_r75_nonsense_is_its_callers_error(script, dynamic):
    """Whatever is handed in, to a static and a dynamic supervisor: both and all children live."""

    async def main() -> None:
        probe = Probe()
        async with trio.open_nursery() as nursery:
            tree = await start_tree(
                nursery,
                [
                    supervisor("static", [child("a", probe), child("b", probe)]),
                    dynamic_supervisor("dynamic"),
                ],
            )
            neighbour = await start_child(tree["dynamic"], child("n", probe))
            target = tree["dynamic" if dynamic else "static"]
            before = tree.refs("root", "static", "dynamic", "static/a", "static/b", "dynamic/1")
            assert neighbour == before[-1]
            for call, value, timeout in script:
                with contextlib.suppress(Exception):
                    await hand_in(tree, target, call, value, timeout)
                await tree.settle()
            names = ("root", "static", "dynamic", "static/a", "static/b", "dynamic/1")
            assert tree.refs(*names) == before
            assert await before[3].call(Who()) == ("static/a", 1)
            assert len(await which_children(target)) == (await count_children(target)).specs
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.proves("R75")
@pytest.mark.parametrize("value", [Plain, None, {"id": "x"}, "x", 5], ids=repr)
@pytest.mark.parametrize("kind", ["static", "dynamic"])
async def test_r75_what_is_no_spec_is_refused_by_name(start, probe, kind, value):
    """OTP's word for it is invalid_child_spec. The class itself is what users of Elixir write."""
    tree = await start([supervisor("static", [child("a", probe)]), dynamic_supervisor("dynamic")])
    with pytest.raises(SpecError, match=r"^invalid_child_spec: .* is not a ChildSpec"):
        await start_child(tree[kind], value)
    with pytest.raises(SpecError, match=r"^invalid_child_spec"):
        supervisor("s", [value])
    assert tree[kind].generation == 1


@pytest.mark.proves("R75")
@pytest.mark.parametrize("manage", [restart_child, delete_child, terminate_child])
@pytest.mark.parametrize("child_id", [[], {}, None, 5], ids=repr)
async def test_r75_what_is_no_id_is_not_found(start, probe, manage, child_id):
    """As in OTP."""
    tree = await start([child("a", probe)])
    with pytest.raises(NotFound, match=r"^not_found: .* cannot be an id, which is a string"):
        await manage(tree.root, child_id)
    assert tree["a"].generation == 1


@pytest.mark.proves("R75", "R6")
@pytest.mark.parametrize("mailbox", [100, [], None, Conflate, MailboxPolicy], ids=repr)
async def test_r75_a_wrong_mailbox_is_a_failed_start_of_that_child(start, probe, mailbox):
    """An innocent `self.mailbox = []` too: the name is the runtime's, and the error says so."""
    tree = await start([child("a", probe), dynamic_supervisor("d")])
    for parent in tree["root"], tree["d"]:
        with pytest.raises(StartFailed, match=r"its `mailbox` is .* take another name"):
            await start_child(parent, ChildSpec("x", WrongMailbox, (mailbox,)))
    assert [ref.generation for ref in tree.refs("a", "d")] == [1, 1]
    assert "x" not in tree


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: MailboxPolicy(bound="5"), "number of messages, not '5'"),
        (lambda: MailboxPolicy(bound=True), "not True"),
        (lambda: MailboxPolicy(overflow=Conflate), "overflow is .* not <class"),
        (lambda: Conflate("symbol"), "a function of a message, not 'symbol'"),
    ],
)
def test_a_wrong_policy_is_refused_where_it_is_made(make, why):
    """So the mistake is found when the module is imported."""
    with pytest.raises(TypeError, match=why):
        make()


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("invalid_args", {"args": ["x"]}),
        ("invalid_name", {"name": ["x"]}),
        ("invalid_shutdown", {"shutdown": 10**400}),
        ("invalid_start_timeout", {"start_timeout": 10**400}),
        ("invalid_start_timeout", {"start_timeout": math.nan}),
    ],
)
def test_fields_that_would_fail_in_the_supervisor_are_refused_in_the_spec(code, field):
    """Each by its own name."""
    with pytest.raises(SpecError, match=f"^{code}: child 'x'"):
        ChildSpec("x", Plain, **field)


def test_extra_arguments_are_a_tuple():
    """They are put before each child's own."""
    with pytest.raises(SpecError, match=r"^invalid_extra_arguments: 'abc' is not a tuple"):
        dynamic_supervisor("d", extra_arguments="abc")  # type: ignore[arg-type]


async def test_an_actor_may_take_a_name_that_the_runtime_uses_inside(start):
    """Whatever comes of it for the actor, its supervisor is not concerned."""
    tree = await start([ChildSpec("a", Shadowing), ChildSpec("b", Plain)])
    before = tree["b"]
    await tree.kill("a")
    assert tree["a"].generation == 2
    tree["a"].stop()
    await tree.settle()
    assert tree["b"] == before


async def test_a_start_function_that_is_async_is_a_failed_start(start):
    """A mistake that is easily made; the coroutine is closed, so Python does not warn later."""

    async def make() -> Actor:
        return Plain()

    tree = await start([dynamic_supervisor("d")])
    with pytest.raises(StartFailed) as caught:
        await start_child(tree["d"], ChildSpec("x", make))  # type: ignore[arg-type]
    assert isinstance(caught.value.reason, Crash)
    assert isinstance(caught.value.reason.error, BadInit)


def test_strings_that_equal_the_enum_are_taken():
    """What reads right is right; what is no member is refused."""
    spec = ChildSpec("a", Plain, restart="transient", kind="supervisor")  # type: ignore[arg-type]
    assert spec == ChildSpec("a", Plain, restart=spec.restart.TRANSIENT, kind=spec.kind.SUPERVISOR)
    flags = Flags("rest_for_one", auto_shutdown="any_significant")  # type: ignore[arg-type]
    assert flags.strategy is flags.strategy.REST_FOR_ONE
    assert flags.auto_shutdown is flags.auto_shutdown.ANY_SIGNIFICANT
    with pytest.raises(SpecError, match=r"^invalid_restart: child 'a': 'sometimes'"):
        ChildSpec("a", Plain, restart="sometimes")  # type: ignore[arg-type]


async def test_a_child_may_be_called_root(start, probe):
    """Its path is told apart from the root's own; it restarts, and its children are under it."""
    tree = await start([supervisor("root", [child("a", probe)]), child("b", probe)])
    assert await tree["root/root/a"].call(Who()) == ("root/root/a", 1)
    await tree.kill("root/root")
    assert await tree["root/root/a"].call(Who()) == ("root/root/a", 2)
    await terminate_child(tree.root, "root")
    assert "root/root" not in tree
    assert await tree["b"].call(Who()) == ("b", 1)


async def test_a_tree_has_a_limit_of_depth_and_is_killed_whole(start, probe):
    """One level more is a failed start that names the limit, and no kill ends in the stack."""

    def tower(levels: int) -> ChildSpec:
        spec = child("leaf", probe)
        for number in range(levels):
            spec = supervisor(f"s{number}", [spec])
        return spec

    tree = await start([dynamic_supervisor("d", intensity=100)])
    with pytest.raises(StartFailed, match=f"too_deep: .* at most {DEEPEST} levels"):
        await start_child(tree["d"], tower(DEEPEST - 1))
    ref = await start_child(tree["d"], tower(DEEPEST - 2))
    assert ref is not None
    assert len(tree.system.names) == DEEPEST + 1
    await tree.kill("d")
    assert "d" in tree
    assert tree.root.alive


def test_a_handler_is_declared_for_a_class():
    """Type arguments are nothing a message is matched by, with postponed annotations or without."""
    with pytest.raises(InvalidHandler, match=r"declare Request, not .*int.*matched by its class"):
        handles(Request[int])
    with pytest.raises(InvalidHandler, match="for a class of messages, not for 'Tick'"):
        handles("Tick")  # type: ignore[call-overload]


@pytest.mark.proves("R75")
async def test_r75_a_child_whose_start_fails_for_ever_is_its_own_story(start, probe):
    """A backoff, a plan of failures and nonsense between: its siblings stay."""
    plan = Plan(always=Boom("never"))
    tree = await start(
        [child("a", probe), dynamic_supervisor("d", intensity=1000, backoff=Backoff())]
    )
    with pytest.raises(StartFailed):
        await start_child(tree["d"], child("x", probe, plan))
    with pytest.raises(StartFailed):
        await start_child(tree["d"], ChildSpec("x", partial((5).__add__, 1)))  # type: ignore[arg-type]
    assert [ref.generation for ref in tree.refs("a", "d")] == [1, 1]


@pytest.mark.proves("R75", "R65")
async def test_r75_an_actor_that_was_never_started_monitors_nobody(start, probe):
    """It is an error of who asks; the supervisor and its children live."""
    tree = await start([dynamic_supervisor("d"), supervisor("s", [child("a", probe)])])
    for target in "d", "s":
        with pytest.raises(TypeError, match="was not started"):
            await start_child(tree[target], child("x", probe), monitor=Actor())
        assert tree[target].generation == 1
    assert tree["s/a"].generation == 1
