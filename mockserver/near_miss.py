"""The text for a request that no stub answers: the closest stub, and what differed."""

from collections.abc import Sequence

from mockserver.incoming import Request
from mockserver.limits import TooMuchWork
from mockserver.mappings import StubMapping
from mockserver.matching import differences, distance
from mockserver.scenarios import Scenarios

MAX_COMPARED = 2_000  # stubs; enough to find the near one
_LOOKED_AT = 20  # of them, at every part; the others by their URL and method only


def nearest(
    request: Request, stubs: Sequence[StubMapping], scenarios: Scenarios, count: int
) -> list[tuple[StubMapping, float]]:
    """The stubs that come nearest to answering `request`, and how far they are: 0 fits."""
    likely = sorted(stubs[:MAX_COMPARED], key=lambda stub: _roughly(stub, request))[:_LOOKED_AT]
    ranked = [(stub, _distance(stub, request, scenarios)) for stub in likely]
    return sorted(ranked, key=lambda one: one[1])[:count]


def report(request: Request, stubs: Sequence[StubMapping], scenarios: Scenarios) -> str:
    """Why nothing answered `request`, in lines of plain text."""
    heading = f"No stub matched this request.\n\n  {request.method} {request.url}\n\n"
    if not stubs:
        return heading + "There are no stubs at all.\n"
    try:
        ((closest, _),) = nearest(request, stubs, scenarios, 1)
        return heading + _why(closest, request, scenarios)
    except TooMuchWork as error:
        return f"{heading}Which stub is the closest was not worked out: {error}\n"


def _why(closest: StubMapping, request: Request, scenarios: Scenarios) -> str:
    """The closest stub, and what of it does not fit."""
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
    return "\n".join(lines) + "\n"


def _roughly(stub: StubMapping, request: Request) -> float:
    """How much of the URL differs, which costs far less to say than how far a stub is."""
    url = stub.request.url
    subject = url.subject(request)
    if url.kind in {"url", "urlPath"}:
        alike = _shared(url.expected, subject)
        far = 1 - 2 * alike / max(1, len(url.expected) + len(subject))
    else:
        far = 0.0 if url.check(request) else 0.5
    return far + (0.0 if stub.request.method in {"ANY", request.method} else 0.2)


def _shared(left: str, right: str) -> int:
    """How many letters both begin with."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))


def _distance(stub: StubMapping, request: Request, scenarios: Scenarios) -> float:
    far = distance(stub.request, request)
    return far if scenarios.allows(stub) else min(1.0, far + 0.05)
