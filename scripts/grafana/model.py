"""What a dashboard is made of here; `build.py` makes Grafana's JSON of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"


class Kind(StrEnum):
    """How a panel shows its figures."""

    GRAPH = "timeseries"
    NUMBER = "stat"
    STATES = "state-timeline"
    TABLE = "table"
    TEXT = "text"


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Step:
    """From which value on something has a colour; None is from the lowest."""

    value: float | None
    colour: str


@dataclass(frozen=True)
class Panel:
    """A panel of figures, or of a text; and the alert that it belongs to, if to one."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    steps: tuple[Step, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    """What the values 0, 1, 2 … mean, each with its colour."""
    runbook: str = ""
    stacked: bool = False
    from_zero: bool = True
    text: str = ""


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard; its name is that of its file."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    of_providers: bool = False
    """Whether one chooses providers on it."""

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def identity(self, title: str) -> int:
        """The number of the first panel of that title; rows have numbers, too.

        Raises:
            LookupError: there is none.
        """
        number = 0
        for row in self.rows:
            number += 1
            for panel in row.panels:
                number += 1
                if panel.title == title:
                    return number
        raise LookupError(f"no panel of {self.name} is called {title!r}")


def query(expression: str, legend: str = "{{instance}}") -> Query:
    """A query."""
    return Query(expression, legend)


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    runbook: str = "",
    width: int = 8,
    stacked: bool = False,
    from_zero: bool = True,
) -> Panel:
    """Lines over the time."""
    return Panel(
        Kind.GRAPH,
        title,
        description,
        unit,
        queries,
        runbook=runbook,
        width=width,
        stacked=stacked,
        from_zero=from_zero,
    )


def number(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    bad_from: float | None = None,
    good_from: float | None = None,
    runbook: str = "",
    width: int = 4,
) -> Panel:
    """The value now. Red from `bad_from` on, or below `good_from`."""
    steps: tuple[Step, ...] = (Step(None, BLUE),)
    if bad_from is not None:
        steps = (Step(None, GREEN), Step(bad_from, RED))
    elif good_from is not None:
        steps = (Step(None, RED), Step(good_from, GREEN))
    return Panel(
        Kind.NUMBER,
        title,
        description,
        unit,
        (query(expression, ""),),
        width,
        height=4,
        steps=steps,
        runbook=runbook,
    )


def states(
    title: str,
    description: str,
    words: tuple[tuple[str, str], ...],
    *queries: Query,
    runbook: str = "",
    width: int = 12,
) -> Panel:
    """Bands of colour over the time."""
    return Panel(
        Kind.STATES,
        title,
        description,
        "none",
        queries,
        width,
        height=6,
        words=words,
        runbook=runbook,
    )


def table(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    runbook: str = "",
    width: int = 12,
) -> Panel:
    """The series and their values now."""
    return Panel(
        Kind.TABLE, title, description, unit, (query(expression, ""),), width, runbook=runbook
    )
