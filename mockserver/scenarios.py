"""The states of scenarios: which of a scenario's stubs answers now."""

from collections.abc import Iterable
from dataclasses import dataclass

from mockserver.mappings import SCENARIO_START, StubMapping


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """A scenario as the admin API shows it."""

    name: str
    state: str
    possible_states: tuple[str, ...]
    mappings: tuple[StubMapping, ...]


class Scenarios:
    """Owned by the stub server. A scenario exists as long as a stub names it."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def state(self, name: str) -> str:
        """The state of the scenario `name`."""
        return self._states.get(name, SCENARIO_START)

    def allows(self, mapping: StubMapping) -> bool:
        """Whether `mapping` may answer in its scenario's state."""
        scenario = mapping.scenario
        return (
            scenario is None
            or scenario.required is None
            or scenario.required == self.state(scenario.name)
        )

    def served(self, mapping: StubMapping) -> None:
        """`mapping` answered: its scenario takes its next state."""
        if mapping.scenario is not None and mapping.scenario.new is not None:
            self._states[mapping.scenario.name] = mapping.scenario.new

    def copy(self) -> "Scenarios":
        """The states of now, which do not change."""
        copied = Scenarios()
        copied._states = dict(self._states)
        return copied

    def set(self, name: str, state: str) -> None:
        """Put the scenario `name` into `state`."""
        self._states[name] = state

    def reset(self) -> None:
        """Every scenario back to its start."""
        self._states.clear()

    def keep_only(self, mappings: Iterable[StubMapping]) -> None:
        """Forget the states of scenarios that no stub names."""
        names = {mapping.scenario.name for mapping in mappings if mapping.scenario}
        self._states = {name: state for name, state in self._states.items() if name in names}

    def views(self, mappings: Iterable[StubMapping]) -> list[ScenarioView]:
        """Every scenario of `mappings`, by name."""
        members: dict[str, list[StubMapping]] = {}
        for mapping in mappings:
            if mapping.scenario is not None:
                members.setdefault(mapping.scenario.name, []).append(mapping)
        return [
            ScenarioView(name, self.state(name), _states(stubs), tuple(stubs))
            for name, stubs in sorted(members.items())
        ]


def _states(stubs: list[StubMapping]) -> tuple[str, ...]:
    named = [
        state
        for stub in stubs
        if stub.scenario
        for state in (stub.scenario.required, stub.scenario.new)
        if state is not None
    ]
    return tuple(dict.fromkeys([SCENARIO_START, *named]))
