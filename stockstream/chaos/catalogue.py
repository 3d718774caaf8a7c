"""The actions that can be done to a running system, with their parameters. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_FAULT_SECONDS = 3600.0
Value = str | int | float | bool


class Scope(StrEnum):
    """The kind of an action's target."""

    ACTOR = "actor"
    """One actor, by path."""
    UPSTREAM = "upstream"
    """The stub that plays an upstream, by the upstream's name."""
    BREAKER = "breaker"
    """The circuit breaker of an upstream, by the upstream's name."""
    DATABASE = "database"
    """The connections to the database, or the embedded server."""
    CLIENT = "client"
    """The experiment's own watching clients; done by the command, not by the server."""


class BadParameters(ValueError):
    """A parameter is unknown, missing or out of its range; the text names it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its default tells its type; None for a number that must be given."""

    name: str
    description: str
    default: Value | None = None
    lowest: float = 0.0
    highest: float = math.inf
    choices: tuple[str, ...] = ()

    def read(self, value: object) -> Value:
        """Check a value from a file, the API or a command line.

        Raises:
            BadParameters: the value is not of its kind.
        """
        if self.choices:
            if value not in self.choices:
                raise BadParameters(f"{self.name} must be one of {', '.join(self.choices)}")
            return str(value)
        if isinstance(self.default, str):
            if not isinstance(value, str):
                raise BadParameters(f"{self.name} must be a text, not {value!r}")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadParameters(f"{self.name} must be a number, not {value!r}")
        if not self.lowest <= value <= self.highest or not math.isfinite(value):
            raise BadParameters(
                f"{self.name} must be from {self.lowest:g} to {self.highest:g}, not {value:g}"
            )
        if isinstance(self.default, int) and value != int(value):
            raise BadParameters(f"{self.name} must be a whole number, not {value:g}")
        return int(value) if isinstance(self.default, int) else float(value)


@dataclass(frozen=True, slots=True)
class Action:
    """One action. A `lasting` one takes `seconds`, and is rolled back after them at the latest."""

    name: str
    scope: Scope
    description: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def lasting(self) -> bool:
        """Whether it goes on until it is rolled back."""
        return any(parameter.name == "seconds" for parameter in self.parameters)

    def check_target(self, target: str) -> None:
        """Pass where a target is given to an action that needs one, and to no other.

        An action at an upstream may omit it, because usually there is only one.

        Raises:
            BadParameters: it is missing, or would be ignored.
        """
        if self.scope is Scope.ACTOR and not target:
            raise BadParameters(
                f"{self.name} is aimed at an actor: give its path, for example "
                f"`{self.name} market/streamer`"
            )
        if self.scope in {Scope.UPSTREAM, Scope.BREAKER} and "/" in target:
            raise BadParameters(f"{self.name} takes the name of an upstream, not {target!r}")
        if self.scope in {Scope.DATABASE, Scope.CLIENT} and target:
            raise BadParameters(f"{self.name} takes no target, and {target!r} is one: leave it out")

    def read(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters, checked, with defaults filled in.

        Raises:
            BadParameters: one is unknown, missing or wrong.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                there = ", ".join(known) or "none"
                raise BadParameters(f"{self.name} has no parameter {name!r}; there are: {there}")
        values: dict[str, Value] = {}
        for name, parameter in known.items():
            value = given.get(name, parameter.default)
            if value is None:
                raise BadParameters(f"{self.name} needs the parameter {name!r}")
            values[name] = parameter.read(value)
        return values


def _seconds(default: float = 10.0) -> Parameter:
    return Parameter(
        "seconds", "how long, at most", default, lowest=0.1, highest=LONGEST_FAULT_SECONDS
    )


def _share(description: str) -> Parameter:
    return Parameter("percent", description, 100.0, lowest=0.1, highest=100.0)


ACTIONS = {
    action.name: action
    for action in (
        Action("kill", Scope.ACTOR, "cancel it at once, and everything under it"),
        Action("restart", Scope.ACTOR, "ask it to stop; its supervisor starts it again"),
        Action(
            "crash",
            Scope.ACTOR,
            "raise an exception inside it",
            (
                Parameter(
                    "exception",
                    "which",
                    "RuntimeError",
                    choices=("RuntimeError", "ValueError", "KeyError", "OSError", "MemoryError"),
                ),
                Parameter("message", "its text", "injected by chaos"),
            ),
        ),
        Action("hang", Scope.ACTOR, "it stops answering, also to a stop", (_seconds(),)),
        Action(
            "slow",
            Scope.ACTOR,
            "it waits before each message",
            (
                _seconds(),
                Parameter("delay", "seconds before each message", 0.1, lowest=0.001, highest=60.0),
            ),
        ),
        Action(
            "mailbox-flood",
            Scope.ACTOR,
            "put messages it does not know into its mailbox, all at once",
            (Parameter("messages", "how many", 20_000, lowest=1, highest=1_000_000),),
        ),
        Action(
            "upstream-errors",
            Scope.UPSTREAM,
            "the price API answers errors",
            (
                _seconds(),
                _share("of the requests"),
                Parameter("status", "the HTTP status", 503, lowest=400, highest=599),
            ),
        ),
        Action(
            "upstream-latency",
            Scope.UPSTREAM,
            "the price API answers late",
            (
                _seconds(),
                Parameter("delay", "seconds", 3.0, lowest=0.001, highest=300.0),
            ),
        ),
        Action("upstream-hang", Scope.UPSTREAM, "the price API does not answer", (_seconds(),)),
        Action(
            "upstream-reset",
            Scope.UPSTREAM,
            "the price API resets connections",
            (_seconds(), _share("of the requests")),
        ),
        Action(
            "upstream-garbage",
            Scope.UPSTREAM,
            "the price API answers garbage and closes",
            (_seconds(), _share("of the requests")),
        ),
        Action("upstream-down", Scope.UPSTREAM, "nobody seems to listen there", (_seconds(),)),
        Action(
            "breaker-force",
            Scope.BREAKER,
            "hold a circuit breaker open or closed, or let it decide again",
            (
                _seconds(),
                Parameter("state", "which", "open", choices=("open", "closed", "auto")),
            ),
        ),
        Action("database-cut", Scope.DATABASE, "cut every connection to the database"),
        Action(
            "database-stop",
            Scope.DATABASE,
            "the embedded database server is stopped, and stays away",
            (_seconds(),),
        ),
        Action(
            "database-pause",
            Scope.DATABASE,
            "the embedded database server hangs: it takes connections and answers nothing",
            (_seconds(),),
        ),
        Action(
            "client-stop-reading",
            Scope.CLIENT,
            "some watching clients stop reading",
            (_seconds(), _share("of the clients")),
        ),
        Action(
            "client-vanish",
            Scope.CLIENT,
            "some watching clients go away without a word",
            (_share("of the clients"),),
        ),
    )
}


def action_named(name: str) -> Action:
    """The action with that name.

    Raises:
        BadParameters: there is none.
    """
    try:
        return ACTIONS[name]
    except KeyError:
        raise BadParameters(f"no action {name!r}; there are: {', '.join(ACTIONS)}") from None
