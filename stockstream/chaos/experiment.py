"""Experiment files: TOML, checked whole before anything is done, errors with line and key.

title = "The streamer dies"
[guard]
allow = ["market/*"]
[[steady_state]]
kind = "websocket"
[[method]]
action = "kill"
target = "market/streamer"
count = 3
every = "2s"
[[rollback]]
action = "breaker-force"
parameters = { state = "auto" }
[[abort_if]]
kind = "metric"
metric = "clients"
below = 10
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from stockstream.chaos.catalogue import BadParameters, Scope, action_named
from stockstream.chaos.quantities import parse_duration
from stockstream.chaos.targets import matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.chaos.catalogue import Value

Count = Annotated[int, Meta(ge=1, le=10_000)]
Text = Annotated[str, Meta(min_length=1)]


class BadExperiment(Exception):
    """The file is wrong; the text has its name, the line and the key."""


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the experiment may touch. Patterns as in `chaos kill`; `deny` wins."""

    allow: tuple[str, ...] = ("*", "*/*", "*/*/*", "*/*/*/*")
    deny: tuple[str, ...] = ("root", "web")
    max_targets: Count = 10
    max_duration: str = "10m"
    environments: tuple[str, ...] = ("development",)


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that must be so. Which keys it takes depends on `kind`.

    http: `url` (of the node, or absolute), `status`. websocket: a price of `symbol` comes
    `within`. metric: `metric` of the node, between `above` and `below`, both exclusive. sql: the
    one number that `sql` answers `within`, asked of the database that DATABASE_URL names where the
    command runs, between `above` and `below`.
    """

    kind: str
    name: str = ""
    url: str = ""
    status: int = 200
    symbol: str = "*"
    within: str = "5s"
    metric: str = ""
    sql: str = ""
    target: str = ""
    above: float | None = None
    below: float | None = None


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of the method: an action, so often, so far apart, after a pause."""

    action: Text
    target: str = ""
    parameters: dict[str, str | int | float | bool] = {}
    count: Count = 1
    every: str = "1s"
    pause: str = "0s"
    percent: Annotated[float, Meta(gt=0, le=100)] | None = None


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    title: Text
    method: Annotated[list[Step], Meta(min_length=1)]
    description: str = ""
    guard: Guard = Guard()
    steady_state: list[Probe] = []
    rollback: list[Step] = []
    abort_if: list[Probe] = []


KINDS = ("http", "websocket", "metric", "sql")
ENVIRONMENTS = ("development", "production")
METRICS = ("clients", "actors", "restarts", "mailbox", "faults", "history_waiting", "history_lag")
"""What a metric probe may look at; `restarts` and `mailbox` are of the actor `target`.

`history_waiting` are batches that are not in the database yet, `history_lag` the age of the
oldest of them in seconds.
"""


def parse_experiment(text: str, name: str) -> Experiment:
    """Read and check a file's text.

    Raises:
        BadExperiment: with the line and the key of what is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadExperiment(f"{name}: {error}") from error
    try:
        experiment = msgspec.convert(document, Experiment)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise BadExperiment(_located(text, name, _keys(path, reason), reason)) from error
    for keys, reason in _problems(experiment):
        raise BadExperiment(_located(text, name, keys, reason))
    return experiment


def _problems(experiment: Experiment) -> Sequence[tuple[list[str | int], str]]:
    found: list[tuple[list[str | int], str]] = []

    def check_duration(keys: list[str | int], value: str) -> None:
        try:
            parse_duration(value)
        except ValueError as error:
            found.append((keys, str(error)))

    check_duration(["guard", "max_duration"], experiment.guard.max_duration)
    for environment in experiment.guard.environments:
        if environment not in ENVIRONMENTS:
            reason = f"{environment!r} is none of {', '.join(ENVIRONMENTS)}"
            found.append((["guard", "environments"], reason))
    for section, steps in (("method", experiment.method), ("rollback", experiment.rollback)):
        for index, step in enumerate(steps):
            here: list[str | int] = [section, index]
            check_duration([*here, "every"], step.every)
            check_duration([*here, "pause"], step.pause)
            found.extend(_step_problems(here, step, experiment.guard))
    for section, probes in (
        ("steady_state", experiment.steady_state),
        ("abort_if", experiment.abort_if),
    ):
        for index, probe in enumerate(probes):
            here = [section, index]
            check_duration([*here, "within"], probe.within)
            if probe.kind not in KINDS:
                found.append(([*here, "kind"], f"{probe.kind!r} is none of {', '.join(KINDS)}"))
            if probe.kind == "sql" and not probe.sql.strip():
                found.append(([*here, "sql"], "an sql probe needs a query that answers one number"))
            if probe.kind == "http" and not probe.url:
                found.append(([*here, "url"], "an http probe needs a url"))
            if probe.kind == "metric" and probe.metric not in METRICS:
                found.append(([*here, "metric"], f"metric must be one of {', '.join(METRICS)}"))
            if probe.kind in {"metric", "sql"} and probe.above is None and probe.below is None:
                found.append((here, f"a probe of kind {probe.kind} needs above, below or both"))
    return found


def _step_problems(
    here: list[str | int], step: Step, guard: Guard
) -> list[tuple[list[str | int], str]]:
    try:
        action = action_named(step.action)
    except BadParameters as error:
        return [([*here, "action"], str(error))]
    try:
        action.read(step.parameters)
    except BadParameters as error:
        return [([*here, "parameters"], str(error))]
    try:
        action.check_target(step.target)
    except BadParameters as error:
        return [([*here, "target"], str(error))]
    if action.scope is not Scope.ACTOR:
        return []
    if "*" not in step.target and not allowed(guard, step.target):
        return [([*here, "target"], f"the guard does not allow {step.target!r}")]
    return []


def allowed(guard: Guard, path: str) -> bool:
    """Whether a guard lets an actor be touched."""
    return any(matches(pattern, path) for pattern in guard.allow) and not any(
        matches(pattern, path) for pattern in guard.deny
    )


def parameters_of(step: Step) -> Mapping[str, Value]:
    """A step's parameters, checked, with defaults."""
    return action_named(step.action).read(step.parameters)


def _keys(path: str, reason: str) -> list[str | int]:
    keys: list[str | int] = []
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path):
        keys.append(name or int(index))
    unknown = re.search(r"unknown field `([^`]+)`", reason)
    if unknown is not None:
        keys.append(unknown[1])
    return keys


def _located(text: str, name: str, keys: list[str | int], reason: str) -> str:
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"{name}:{line_of(text, keys)}: {shown or 'the file'}: {reason}"


def line_of(text: str, keys: Sequence[str | int]) -> int:
    """The line, from 1, where `keys` lead to; the nearest there is when the key is missing.

    The standard library's TOML reader does not tell positions, so headers and keys are looked
    for in the text: the n-th `[[section]]`, then the key in it.
    """
    lines = text.splitlines()
    start = 0
    rest = list(keys)
    if rest and isinstance(rest[0], str):
        section = rest[0]
        wanted = rest[1] if len(rest) > 1 and isinstance(rest[1], int) else 0
        headers = [
            number
            for number, line in enumerate(lines)
            if re.match(rf"\s*\[\[?\s*{re.escape(section)}\s*\]\]?", line)
        ]
        if len(headers) > wanted:
            start = headers[wanted]
            rest = rest[2:] if len(rest) > 1 and isinstance(rest[1], int) else rest[1:]
    key = next((key for key in rest if isinstance(key, str)), None)
    if key is not None:
        for number in range(start, len(lines)):
            if number > start and re.match(r"\s*\[", lines[number]):
                break
            if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", lines[number]):
                return number + 1
    return start + 1
