"""What the doorkeeper believes, and for how long; without a clock, an actor or a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream import paths
from stockstream.credential_keys import CredentialKey
from stockstream.database.query import DatabaseError, Exhausted, Unavailable
from stockstream.tables import Tables
from stockstream.times import Moment
from stockstream.users import credential_book
from stockstream.users.credential_book import CredentialBook, Question, Waiting, is_good
from stockstream.users.credentials import Credential, Found, Held
from stockstream.users.roles import SCOPES, Role, Scope
from tests.unit.alerts.support import acting_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOUR = 3600.0
AWAY = Unavailable("away")


def session(number: int, role: Role = Role.VIEWER) -> Credential:
    """A session of the account of the same number."""
    key = CredentialKey("session", number)
    return Credential(key, number, f"user {number}", role, SCOPES[role], 0, False)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass
class World:
    """A book, and the truth that the database knows."""

    tables: Tables = field(default_factory=Tables)
    held: dict[int, Held] = field(default_factory=dict)
    living: dict[int, Credential] = field(default_factory=dict)
    now: float = 1000.0
    answers: list[Mapping[bytes, Credential] | DatabaseError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The doorkeeper was killed; its table is what it was."""
        self.book = CredentialBook(self.tables.credentials, self.held)

    @property
    def moment(self) -> Moment:
        return Moment(self.now)

    def come(self, *numbers: int) -> int:
        """Somebody comes; the place of the answer."""
        place = len(self.answers)
        self.answers.append(AWAY)

        def reply(answer: Mapping[bytes, Credential] | DatabaseError) -> None:
            self.answers[place] = answer

        self.book.want(Waiting(frozenset(map(digest, numbers)), reply), self.moment)
        return place

    def snapshot(self) -> dict[bytes, Found]:
        """What the database would answer now."""
        return {digest(number): Found(one, HOUR) for number, one in self.living.items()}

    def ask(self) -> Question | None:
        return self.book.question(self.moment)

    def answer(self, question: Question) -> credential_book.Outcome:
        asked = {key: found for key, found in self.snapshot().items() if key in question.digests}
        return self.book.answered(question, asked, self.moment)

    def settle(self) -> credential_book.Outcome:
        """Ask and answer until there is nothing to ask."""
        whole = credential_book.Outcome()
        while (question := self.ask()) is not None:
            outcome = self.answer(question)
            whole.ended += outcome.ended
            whole.changed += outcome.changed
            whole.used += outcome.used
        return whole

    def known(self, number: int) -> bool:
        """As a request finds out by the table alone."""
        return is_good(self.tables.credentials.get(digest(number)), self.moment)

    def is_let_in(self, number: int) -> bool:
        """By the table, else by a question."""
        if self.known(number):
            return True
        place = self.come(number)
        self.settle()
        answer = self.answers[place]
        return not isinstance(answer, DatabaseError) and digest(number) in answer


@pytest.fixture
def world() -> Iterator[World]:
    with acting_as(paths.DOORKEEPER):
        yield World()


def test_many_who_come_at_once_are_one_question(world: World) -> None:
    """And a known one is none, for ten seconds."""
    world.living = {number: session(number) for number in range(50)}
    places = [world.come(number) for number in range(60)]
    question = world.ask()
    assert question is not None
    assert len(question.digests) == 60
    world.answer(question)
    assert world.ask() is None
    let_in = [bool(answer) for answer in map(world.answers.__getitem__, places)]
    assert let_in == [True] * 50 + [False] * 10
    world.now += 9.9
    assert world.known(1)
    world.come(1)
    assert world.ask() is None
    world.now += 0.1
    assert not world.known(1)
    world.come(1)
    assert world.ask() is not None


def test_who_comes_after_the_question_waits_for_the_next(world: World) -> None:
    """A session that has begun since is not refused by an answer from before."""
    world.come(1)
    question = world.ask()
    assert question is not None
    before = world.snapshot()
    world.living[1] = session(1)
    late = world.come(1)
    world.book.answered(question, before, world.moment)
    assert world.answers[0] == {}
    world.settle()
    assert world.answers[late] == {digest(1): session(1)}


def test_what_ends_while_it_is_asked_stays_ended(world: World) -> None:
    """The answer was true when it was asked; the end was told since."""
    world.living[1] = session(1)
    place = world.come(1)
    question = world.ask()
    assert question is not None
    before = world.snapshot()
    del world.living[1]
    world.book.end([CredentialKey("session", 1)])
    world.book.answered(question, before, world.moment)
    assert world.answers[place] == {}
    assert not world.known(1)
    world.living[1] = session(1)  # another database's number, or a mistaken message
    assert world.is_let_in(1), "the next question decides"


def test_another_role_counts_at_once_and_not_by_an_older_answer(world: World) -> None:
    """What was asked before the change is asked again."""
    world.living[1] = session(1, Role.ADMIN)
    assert world.is_let_in(1)
    world.now += 11
    world.come(1)
    question = world.ask()
    assert question is not None
    before = world.snapshot()
    world.living[1] = session(1, Role.VIEWER)
    world.book.doubt(1)
    assert not world.known(1)
    world.book.answered(question, before, world.moment)
    assert not world.known(1)
    assert world.settle().changed == [CredentialKey("session", 1)]
    row = world.tables.credentials.get(digest(1))
    assert row is not None
    assert row.credential.role is Role.VIEWER
    assert world.known(1)


def test_the_round_confirms_what_is_used_and_what_sockets_hold(world: World) -> None:
    """And forgets what nobody would believe any more."""
    world.living = {number: session(number) for number in (1, 2, 3)}
    for number in (1, 2):
        assert world.is_let_in(number)
    world.held[7] = Held(digest(3), session(3).key)
    world.now += 59
    world.book.round(world.moment)
    question = world.ask()
    assert question is not None
    assert set(question.digests) == {digest(1), digest(2), digest(3)}
    world.answer(question)
    world.now += 2
    del world.living[3]
    world.book.round(world.moment)
    question = world.ask()
    assert question is not None
    assert set(question.digests) == {digest(3)}, "the others were used a minute ago"
    assert world.answer(question).ended == [session(3).key]
    world.held.clear()
    world.now += 60
    world.book.round(world.moment)
    assert world.ask() is None
    assert not world.tables.credentials.rows


def test_a_socket_whose_row_is_gone_ends_by_its_name(world: World) -> None:
    """The database was away for a minute, and meanwhile somebody ended the session."""
    world.held[7] = Held(digest(3), session(3).key)
    world.book.round(world.moment)
    assert world.settle().ended == [session(3).key]


def test_an_open_socket_is_no_use(world: World) -> None:
    """Use is written down once a minute: of requests, not of prices that come by themselves."""
    world.living = {1: session(1), 2: session(2)}
    world.held[7] = Held(digest(1), session(1).key)
    world.come(2)
    world.book.round(world.moment)
    assert world.settle().used == [session(2).key]
    for _ in range(12):
        world.now += 5
        world.book.round(world.moment)
        world.come(2)
        assert world.settle().used == ([session(2).key] if world.now >= 1060 else [])


def test_without_the_database_who_is_known_goes_on_for_a_minute(world: World) -> None:
    """Others are told why; with the database, it is asked at once."""
    world.living[1] = session(1)
    assert world.is_let_in(1)
    world.now += 10
    place = world.come(1)
    question = world.ask()
    assert question is not None
    world.book.failed(question, AWAY, world.moment)
    assert world.answers[place] == {digest(1): session(1)}
    world.now += 49
    assert world.answers[world.come(1)] == {digest(1): session(1)}, "nobody waits for it"
    both = world.come(1, 2)
    while (question := world.ask()) is not None:
        world.book.failed(question, AWAY, world.moment)
    assert world.answers[both] is AWAY
    world.now += 1
    place = world.come(1)
    question = world.ask()
    assert question is not None
    world.book.failed(question, AWAY, world.moment)
    assert world.answers[place] is AWAY
    assert world.is_let_in(1)


def test_a_token_that_only_watches_is_believed_while_the_database_is_away(world: World) -> None:
    """Else nobody could be told by it that the database is away."""
    key = CredentialKey("token", 1)
    watching = Credential(
        key, 1, "prometheus", Role.OPERATOR, frozenset({Scope.METRICS_READ}), 0, False
    )
    world.living[1] = watching
    assert world.is_let_in(1)
    for _ in range(50):
        world.now += 60
        place = world.come(1)
        world.book.round(world.moment)
        while (question := world.ask()) is not None:
            world.book.failed(question, AWAY, world.moment)
        assert world.answers[place] == {digest(1): watching}
    world.now += HOUR - 50 * 60
    place = world.come(1)
    question = world.ask()
    assert question is not None
    world.book.failed(question, AWAY, world.moment)
    assert world.answers[place] is AWAY, "its own end counts"


def test_a_credential_ends_by_its_own_time(world: World) -> None:
    """Whatever was confirmed; by the steady clock."""
    world.come(1)
    question = world.ask()
    assert question is not None
    world.book.answered(question, {digest(1): Found(session(1), 3.0)}, world.moment)
    world.now += 2.9
    assert world.known(1)
    world.now += 0.1
    assert not world.known(1)


def test_memory_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go that were unused for longest; too many who wait are told so."""
    monkeypatch.setattr(credential_book, "MOST_KNOWN", 3)
    monkeypatch.setattr(credential_book, "MOST_WAITING", 4)
    world.living = {number: session(number) for number in range(5)}
    for number in (0, 1, 2):
        assert world.is_let_in(number)
    world.come(0)
    assert world.is_let_in(3)
    assert set(world.tables.credentials.rows) == {digest(number) for number in (2, 0, 3)}
    places = [world.come(number) for number in range(10, 15)]
    assert isinstance(world.answers[places[4]], Exhausted)
    world.book.end([session(0).key])
    assert set(world.tables.credentials.rows) == {digest(2), digest(3)}


def test_questions_have_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits comes first, what is merely due later; nobody waits for ever."""
    monkeypatch.setattr(credential_book, "DIGESTS_AT_ONCE", 3)
    world.living = {number: session(number) for number in range(20)}
    for number in range(8):
        world.held[number] = Held(digest(number), session(number).key)
    world.book.round(world.moment)
    places = [world.come(10), world.come(11, 12), world.come(13, 14, 15, 16), world.come()]
    sizes = []
    while (question := world.ask()) is not None:
        sizes.append(len(question.digests))
        world.answer(question)
    assert sizes == [3, 4, 3, 3, 2]
    assert [len(world.answers[place]) for place in places] == [1, 2, 4, 0]  # type: ignore[arg-type]


OPERATION = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 3)),
    st.tuples(st.just("login"), st.integers(0, 3)),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("end untold"), st.integers(0, 3)),
    st.tuples(st.just("role"), st.integers(0, 3)),
    st.tuples(st.just("hold"), st.integers(0, 3)),
    st.tuples(st.just("ask"), st.just(0)),
    st.tuples(st.just("answer"), st.just(0)),
    st.tuples(st.just("away"), st.just(0)),
    st.tuples(st.just("kill"), st.just(0)),
    st.tuples(st.just("round"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([1, 4, 9, 30])),
)


@settings(max_examples=300)
@given(st.lists(OPERATION, max_size=40))
def test_nobody_is_let_in_who_ended_and_nobody_living_is_refused(
    operations: list[tuple[str, int]],
) -> None:
    """Whatever happens in whatever order, kills at any point included.

    A told end counts at once. One that nobody told counts ten seconds later at most, a minute
    where the database was away. Who is answered without an error and lives is let in.
    """
    with acting_as(paths.DOORKEEPER):
        world = World()
        flying: tuple[Question, dict[bytes, Found]] | None = None
        ended: dict[int, float] = {}  # since when; told ones since ever
        waiting: dict[int, tuple[int, bool]] = {}
        away = False
        for operation, number in operations:
            if operation == "login" and number not in world.living and number not in ended:
                world.living[number] = session(number)
            elif operation == "come" and number not in waiting:
                waiting[number] = world.come(number), number in world.living
            elif operation in {"end", "end untold"} and number in world.living:
                del world.living[number]
                ended[number] = world.now
                if operation == "end":
                    ended[number] = -HOUR
                    world.book.end([session(number).key])
            elif operation == "role" and number in world.living:
                roles = {Role.VIEWER: Role.ADMIN, Role.ADMIN: Role.VIEWER}
                world.living[number] = session(number, roles[world.living[number].role])
                world.book.doubt(number)
                row = world.tables.credentials.get(digest(number))
                assert row is None or not is_good(row, world.moment)
            elif operation == "hold" and number in world.living:
                world.held[number] = Held(digest(number), session(number).key)
            elif operation == "ask" and flying is None:
                question = world.ask()
                flying = None if question is None else (question, world.snapshot())
            elif operation in {"answer", "away"} and flying is not None:
                question, snapshot = flying
                flying = None
                if operation == "away":
                    away = True
                    world.book.failed(question, AWAY, world.moment)
                else:
                    asked = {d: one for d, one in snapshot.items() if d in question.digests}
                    world.book.answered(question, asked, world.moment)
                for comer, (place, lived) in list(waiting.items()):
                    if any(digest(comer) in caller.digests for caller in question.callers):
                        del waiting[comer]
                        answer = world.answers[place]
                        if isinstance(answer, DatabaseError):
                            assert operation == "away"
                        elif lived and comer in world.living:
                            assert digest(comer) in answer
                        elif ended.get(comer, world.now) < 0:
                            assert digest(comer) not in answer
            elif operation == "kill":
                flying, waiting = None, {}
                world.restart()
            elif operation == "round":
                world.book.round(world.moment)
            elif operation == "time":
                world.now += number
            for gone, since in ended.items():
                if world.known(gone):
                    assert since > 0, "its end was told"
                    assert world.now - since < 10
        if not away:
            world.book.round(world.moment)
            world.settle()
            for number in range(4):
                assert world.is_let_in(number) == (number in world.living)
