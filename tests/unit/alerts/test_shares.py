"""Who may post: shares by class, owner, receiver and line; pauses that grow; trouble that stays."""

from __future__ import annotations

from stockstream.alerts import shares
from stockstream.alerts.shares import (
    MOST_LINES,
    PROBATION,
    PROMPT_SECONDS,
    SHARES,
    CallSlot,
    DueLine,
    Line,
    Pauses,
    Shares,
    Standing,
)

PROMPT, UNTRIED, TROUBLED = Standing.PROMPT, Standing.UNTRIED, Standing.TROUBLED
MINE = Line("me", "mine.example")


def made() -> Shares:
    """Pauses of 1 to 100 s, without jitter."""
    return Shares(Pauses(first=1.0, longest=100.0), lambda: 0.5)


def begun(some: Shares, *lines: Line, now: float = 0.0, calls: int = 100) -> list[CallSlot]:
    """Begin all that has a share, where so many calls of each line are due."""
    allotted = some.allot([DueLine(line, calls, 0.0) for line in lines], now)
    return [some.begin(line) for line, count in allotted.items() for _ in range(count)]


def test_an_untried_line_gets_one_call_and_a_prompt_one_several() -> None:
    """One call tells what a line is worth."""
    some = made()
    (slot,) = begun(some, MINE)
    assert slot == (MINE, UNTRIED)
    assert begun(some, MINE) == []
    some.note_answer(MINE, 0.1)
    some.end(slot)
    assert len(begun(some, MINE)) == SHARES[PROMPT].line
    assert begun(some, MINE) == []


def test_no_owner_and_no_receiver_takes_the_slots_of_others() -> None:
    """However many lines they have; another's line has its share all the same."""
    some = made()
    one_owner = [Line("attacker", f"{n}.example") for n in range(100)]
    assert len(begun(some, *one_owner)) == SHARES[UNTRIED].owner
    one_receiver = [Line(f"attacker-{n}", "attacker.example") for n in range(100)]
    assert len(begun(some, *one_receiver)) == SHARES[UNTRIED].receiver
    assert begun(some, *one_owner, *one_receiver, MINE) == [(MINE, UNTRIED)]


def test_all_that_hang_together_leave_the_slots_of_prompt_lines() -> None:
    """A hundred owners with a receiver each fill two classes, and not the third."""
    some = made()
    many = [Line(f"attacker-{n}", f"{n}.example") for n in range(100)]
    for line in many[:50]:
        some.note_failure(line, 1, 0.0)
    some.note_answer(MINE, 0.1)
    taken = begun(some, *many, now=10.0)
    assert len(taken) == SHARES[UNTRIED].slots + SHARES[TROUBLED].slots
    assert not some.full
    assert begun(some, *many, MINE, now=10.0) == [(MINE, PROMPT)] * SHARES[PROMPT].line


def test_who_names_many_receivers_that_hang_comes_after_who_does_not() -> None:
    """An owner's lines in trouble count, also for the order of those that nobody knows yet."""
    some = made()
    begun(some, *(Line(f"other-{n}", f"{n}.example") for n in range(SHARES[UNTRIED].slots - 1)))
    some.note_failure(Line("attacker", "first.example"), 1, 0.0)
    due = [DueLine(Line("attacker", "next.example"), 1, due_for=99.0), DueLine(MINE, 1, 1.0)]
    assert some.allot(due, 10.0) == {MINE: 1}


def test_what_has_been_due_for_longest_comes_first() -> None:
    """Among owners with equal trouble."""
    some = made()
    begun(some, *(Line(f"other-{n}", f"{n}.example") for n in range(SHARES[UNTRIED].slots - 1)))
    late = Line("late", "late.example")
    assert some.allot([DueLine(MINE, 1, 1.0), DueLine(late, 1, 2.0)], 0.0) == {late: 1}


def test_a_line_that_failed_rests_and_is_then_tried_by_one_call() -> None:
    """Each failure in a row doubles the rest, up to the longest; an answer ends it."""
    some = made()
    now = 0.0
    for expected in (1, 2, 4, 8, 16, 32, 64, 100, 100):
        assert begun(some, MINE, now=now) == [(MINE, some.standing(MINE))]
        some.end(CallSlot(MINE, some.standing(MINE)))
        some.note_failure(MINE, 1, now)
        assert begun(some, MINE, now=now + expected - 0.01) == []
        now += expected
    assert some.standing(MINE) is TROUBLED
    some.note_answer(MINE, 0.1)
    assert some.rests_until(MINE) <= now


def test_calls_that_fail_side_by_side_are_one_failure() -> None:
    """Four at once do not make the rest eight times as long."""
    some = made()
    assert [some.note_failure(MINE, 1, 0.1 * n) for n in range(4)] == [1.0, 1.0, 1.0, 1.0]
    assert some.note_failure(MINE, 1, 2.0) == 2.0


def test_a_call_that_fails_where_others_succeed_pauses_longer_than_its_line() -> None:
    """Its own attempts count for it, and hold up nobody else."""
    some = made()
    some.note_answer(MINE, 0.1)
    assert some.note_failure(MINE, attempts=6, now=0.0) == 32.0
    assert some.rests_until(MINE) == 1.0


def test_a_receiver_may_ask_for_a_longer_rest_and_not_for_a_shorter_one() -> None:
    """By `Retry-After`."""
    some = made()
    assert some.note_failure(MINE, 1, 0.0, asked=30.0) == 30.0
    assert some.rests_until(MINE) == 30.0
    assert some.note_failure(MINE, 1, 30.0, asked=0.1) == 2.0


def test_a_rest_ends_when_somebody_asks_for_it() -> None:
    """The line stays in trouble; a line that nobody knows has no rest to end."""
    some = made()
    some.end_rest(MINE)
    some.note_failure(MINE, 1, 0.0, asked=3_600.0)
    some.end_rest(MINE)
    assert begun(some, MINE, now=1.0) == [(MINE, TROUBLED)]


def test_who_answers_and_hangs_in_turns_stays_in_trouble() -> None:
    """So does who answers, but slowly; several prompt answers in a row end it."""
    for hold in (True, False):
        some = made()
        some.note_answer(MINE, 0.1)
        if hold:
            some.note_failure(MINE, 1, 0.0)
        else:
            some.note_answer(MINE, PROMPT_SECONDS + 0.1)
        for _ in range(PROBATION):
            assert some.standing(MINE) is TROUBLED
            some.note_answer(MINE, 0.1)
        assert some.standing(MINE) is PROMPT


def test_a_slot_is_given_back_to_the_class_it_was_taken_from() -> None:
    """Though the line stands in another one since."""
    some = made()
    slots = begun(some, MINE)
    some.note_failure(MINE, 1, 0.0)
    for slot in slots:
        some.end(slot)
    others = [Line(f"other-{n}", f"{n}.example") for n in range(100)]
    assert len(begun(some, *others)) == SHARES[UNTRIED].slots


def test_knowledge_of_lines_is_bounded() -> None:
    """Those longest unheard of are unknown again, and their owner has one in trouble less."""
    some = made()
    some.note_failure(MINE, 1, 0.0)
    for n in range(MOST_LINES):
        some.note_answer(Line("other", f"{n}.example"), 0.1)
    assert some.standing(MINE) is UNTRIED
    assert len(some._lines) == shares.MOST_LINES
    assert not some._troubled
