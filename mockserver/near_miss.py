"""The text for a request that no stub answers: the closest stub, and what differed."""

from collections.abc import Iterable

from mockserver.incoming import Request
from mockserver.mappings import StubMapping
from mockserver.matching import differences, distance
from mockserver.scenarios import Scenarios

MAX_COMPARED = 500  # stubs; enough to find the near one, little enough to answer at once


def report(request: Request, stubs: Iterable[StubMapping], scenarios: Scenarios) -> str:
    """Why nothing answered `request`, in lines of plain text."""
    candidates = list(stubs)[:MAX_COMPARED]
    heading = f"No stub matched this request.\n\n  {request.method} {request.url}\n\n"
    if not candidates:
        return heading + "There are no stubs at all.\n"
    closest = min(candidates, key=lambda stub: _distance(stub, request, scenarios))
    lines = [f"Closest stub: {closest.title} ({closest.id})"]
    if closest.source:
        lines.append(f"From: {closest.source}")
    lines += ["", "What differs:"]
    for obstacle in closest.obstacles:
        lines += ["  the stub itself", f"    {obstacle}"]
    for part in differences(closest.request, request):
        lines += [
            f"  {part.name}",
            f"    expected: {part.expected}",
            f"    actual:   {part.actual}",
        ]
    scenario = closest.scenario
    if scenario is not None and not scenarios.allows(closest):
        lines += [
            f"  state of scenario {scenario.name}",
            f"    expected: {scenario.required}",
            f"    actual:   {scenarios.state(scenario.name)}",
        ]
    return heading + "\n".join(lines) + "\n"


def _distance(stub: StubMapping, request: Request, scenarios: Scenarios) -> float:
    return distance(stub.request, request) + (0 if scenarios.allows(stub) else 0.5)
