"""The stub API's whole state and what it does, without any I/O but reading stub files.

One `StubServer` owns stubs, scenarios, journal, settings and switches; the web layer calls it
and writes what it answers.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mockserver.bodies import BodyFiles
from mockserver.delays import DelayDistribution
from mockserver.incoming import Request
from mockserver.journal import Entry, Journal
from mockserver.json_types import Json
from mockserver.limits import TooMuchWork
from mockserver.mappings import StubMapping, read_mapping
from mockserver.near_miss import report
from mockserver.outage import Outage
from mockserver.responses import Answer, error_answer, respond, text_answer
from mockserver.scenarios import Scenarios
from mockserver.store import StubStore
from mockserver.walks import Walks


@dataclass(frozen=True, slots=True)
class Settings:
    """Delays for every stub that has none of its own. `document` is what the admin API shows."""

    fixed_delay_seconds: float | None
    delay_distribution: DelayDistribution | None
    document: dict[str, Json]


DEFAULT_SETTINGS = Settings(None, None, {})


class StubServer:
    """`dice` is the only source of randomness and `clock` of time (with a time zone)."""

    def __init__(
        self,
        files: BodyFiles,
        *,
        dice: random.Random,
        clock: Callable[[], datetime],
    ) -> None:
        self.stubs = StubStore()
        self.scenarios = Scenarios()
        self.journal = Journal()
        self.settings = DEFAULT_SETTINGS
        self.outage = Outage()
        self.clock = clock
        self.started = clock()
        self._files = files
        self._dice = dice
        self._walks = Walks()

    def use_files(self, mappings: list[StubMapping]) -> None:
        """Have the stubs that the files hold now, and none that the admin API added."""
        self.stubs.fill(mappings)
        self.scenarios.keep_only(mappings)

    def reset(self, mappings: list[StubMapping]) -> None:
        """As after a start with `mappings` in the files. Settings and switches stay, as they do
        in WireMock.
        """
        self.stubs.fill(mappings)
        self.scenarios.reset()
        self.journal.clear()
        self._walks.clear()

    def read(
        self, value: Json, identity: str | None = None, source: str | None = None
    ) -> StubMapping:
        """The mapping in `value`, not yet added. Reads a body file. Raises `FieldError`."""
        return read_mapping(value, self._files, identity=identity, source=source)

    def answer(self, request: Request) -> Answer:
        """Serve `request` and put it into the journal."""
        answer = self.served(request)
        return self.missed(request, self.report(request)()) if answer is None else answer

    def served(self, request: Request) -> Answer | None:
        """The answer of the stub that fits, which is then in the journal; None if none fits."""
        now = self.clock()
        try:
            stub = self.stubs.select(request, self.scenarios)
        except (TooMuchWork, ValueError, RecursionError) as error:
            return self._noted(request, now, error_answer(error), None, str(error))
        if stub is None:
            return None
        answer = self._from_stub(stub, request, now)
        self.scenarios.served(stub)
        return self._noted(request, now, answer, stub, None)

    def report(self, request: Request) -> Callable[[], str]:
        """What works out why nothing fits, by the stubs of now. It may run in another thread."""
        return partial(report, request, tuple(self.stubs), self.scenarios.copy())

    def missed(self, request: Request, why: str) -> Answer:
        """The answer where nothing fits, which is then in the journal."""
        return self._noted(request, self.clock(), text_answer(404, why), None, why)

    def disturbed(self, answer: Answer) -> Answer:
        """What the outage switches make of an answer that is no stub's."""
        return self.outage.disturb(answer, self._dice)

    def _noted(
        self,
        request: Request,
        now: datetime,
        answer: Answer,
        stub: StubMapping | None,
        why: str | None,
    ) -> Answer:
        disturbed = self.outage.disturb(answer, self._dice)
        self.journal.add(Entry(request, now, disturbed, stub, why))
        return disturbed

    def _from_stub(self, stub: StubMapping, request: Request, now: datetime) -> Answer:
        definition = stub.response
        variables = stub.request.variables(request)
        seed = definition.walk_seed
        walk = None if seed is None else self._walks.at(seed, now)
        answer = respond(definition, request, variables, dice=self._dice, now=now, walk=walk)
        return Answer(
            answer.status,
            (*answer.headers, *_identity(stub)),
            answer.body,
            answer.reason,
            self._delay(stub),
            answer.dribble,
            answer.fault,
        )

    def _delay(self, stub: StubMapping) -> float:
        """A stub's own delay goes before the global one; fixed and drawn ones add up."""
        fixed = stub.response.fixed_delay_seconds
        if fixed is None:
            fixed = self.settings.fixed_delay_seconds
        drawn = stub.response.delay_distribution or self.settings.delay_distribution
        return (fixed or 0.0) + (drawn.draw(self._dice) if drawn else 0.0)


def _identity(stub: StubMapping) -> list[tuple[str, str]]:
    headers = [("Matched-Stub-Id", stub.id)]
    if stub.name is not None:
        name = stub.name
        if not (name.isascii() and name.isprintable()):
            name = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
        headers.append(("Matched-Stub-Name", name))
    return headers
