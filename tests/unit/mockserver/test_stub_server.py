"""Selection, priorities, scenarios, the journal, near misses, delays and outages."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.delays import Dribble, Lognormal, Uniform
from mockserver.faults import Fault
from mockserver.journal import MAX_ENTRIES, Entry, Journal
from mockserver.outage import Outage, read_outage
from mockserver.problems import FieldError
from mockserver.responses import text_answer
from mockserver.store import DuplicateId
from tests.unit.mockserver.support import NOW, SEED, mapping, request, server, stub


def named(name: str, priority: int | None = None, **fields: str) -> dict[str, object]:
    return {
        "name": name,
        "priority": priority,
        "request": fields or {"urlPath": "/a"},
        "response": {"body": name},
    }


@pytest.mark.proves("M6")
@given(st.lists(st.sampled_from([None, 1, 2, 5, 9]), min_size=1, max_size=8))
def test_the_highest_priority_wins_and_then_the_latest(priorities: list[int | None]) -> None:
    """1 before 2, none counts as 5, and of equals the one added last."""
    stubs = [mapping(named(str(index), priority)) for index, priority in enumerate(priorities)]
    best = min(range(len(stubs)), key=lambda index: (priorities[index] or 5, -index))
    assert server(*stubs).answer(request("/a")).body == str(best).encode()


@pytest.mark.proves("M6")
def test_a_stub_that_does_not_fit_is_passed_over_whatever_its_priority() -> None:
    """Priority orders only what fits."""
    both = server(mapping(named("fits", 9)), mapping(named("other", 1, urlPath="/b")))
    assert both.answer(request("/a")).body == b"fits"


@pytest.mark.proves("M6")
def test_replacing_keeps_the_place_and_removing_frees_it() -> None:
    """A stub that is put again is not the latest added by that."""
    first, second = mapping(named("first")), mapping(named("second"))
    running = server(first, second)
    again = running.read({**named("again"), "id": first.id})
    assert running.stubs.replace(again)
    assert running.answer(request("/a")).body == b"second"
    assert running.stubs.remove(second.id)
    assert not running.stubs.remove(second.id)
    assert running.answer(request("/a")).body == b"again"
    with pytest.raises(DuplicateId):
        running.stubs.add(again)


@pytest.mark.proves("M7")
def test_the_closest_stub_and_what_differed_are_named() -> None:
    """A 404 in plain text."""
    near = mapping(
        {
            "name": "prices of one",
            "request": {"urlPath": "/api/prices", "headers": {"Accept": {"contains": "json"}}},
        }
    )
    far = mapping({"name": "news", "request": {"urlPath": "/news"}})
    answer = server(near, far).answer(request("/api/prices", Accept="text/html"))
    text = answer.body.decode()
    assert answer.status == 404
    assert ("Content-Type", "text/plain;charset=UTF-8") in answer.headers
    assert "Closest stub: prices of one" in text
    assert "header accept" in text
    assert "expected: contains json" in text
    assert "actual:   text/html" in text
    assert "news" not in text


@pytest.mark.proves("M7")
def test_a_near_url_is_closer_than_a_far_one() -> None:
    """A misspelled path finds the stub that was meant."""
    meant = mapping({"name": "meant", "request": {"urlPath": "/api/stock-prices"}})
    others = [mapping({"name": f"o{i}", "request": {"urlPath": f"/x{i}"}}) for i in range(5)]
    text = server(meant, *others).answer(request("/api/stock-price")).body.decode()
    assert "Closest stub: meant" in text


@pytest.mark.proves("M7")
def test_without_stubs_the_answer_says_so() -> None:
    """There is no closest one."""
    assert b"There are no stubs at all" in server().answer(request("/")).body


@pytest.mark.proves("M7")
def test_a_scenario_in_another_state_is_said_to_be_what_differed() -> None:
    """The request fits, its time has not come."""
    later = mapping({
        "scenarioName": "outage", "requiredScenarioState": "down", "request": {"urlPath": "/a"},
    })  # fmt: skip
    text = server(later).answer(request("/a")).body.decode()
    assert "state of scenario outage\n    expected: down\n    actual:   Started" in text


@pytest.mark.proves("M11")
def test_a_scenario_goes_from_state_to_state() -> None:
    """Each stub answers in its state and leads to the next."""
    up = {**named("up"), "scenarioName": "s", "requiredScenarioState": "Started"}
    down = {**named("down"), "scenarioName": "s", "requiredScenarioState": "down"}
    running = server(
        mapping({**up, "newScenarioState": "down"}),
        mapping({**down, "newScenarioState": "Started"}),
    )
    answers = [running.answer(request("/a")).body for _ in range(4)]
    assert answers == [b"up", b"down", b"up", b"down"]
    running.scenarios.set("s", "down")
    assert running.answer(request("/a")).body == b"down"
    (view,) = running.scenarios.views(running.stubs)
    assert (view.name, view.state, view.possible_states) == ("s", "Started", ("Started", "down"))


@pytest.mark.proves("M17")
def test_the_journal_keeps_the_last_thousand_requests() -> None:
    """The oldest go; the newest is first."""
    running = server(stub(urlPath="/a"))
    for index in range(MAX_ENTRIES + 5):
        running.answer(request(f"/a?n={index}"))
    entries = running.journal.newest_first()
    assert len(entries) == MAX_ENTRIES == 1_000
    assert entries[0].request.url == "/a?n=1004"
    assert entries[-1].request.url == "/a?n=5"


@pytest.mark.proves("M17")
@given(st.lists(st.integers(0, 4_000), max_size=30))
def test_the_journal_is_bounded_in_bytes_too(sizes: list[int]) -> None:
    """A thousand of the largest bodies would be gigabytes; the newest entry always stays."""
    journal = Journal(max_entries=10, max_bytes=10_000)
    for size in sizes:
        journal.add(Entry(request("/", body=b"x" * size), NOW, text_answer(200, ""), None))
        entries = journal.newest_first()
        assert len(entries) <= 10
        assert len(entries) == 1 or sum(entry.size for entry in entries) <= 10_000
        assert len(entries[0].request.body) == size
    journal.clear()
    assert len(journal) == 0


@pytest.mark.parametrize("part", ["request", "answer"])
def test_headers_count_in_the_journal_like_bodies(part: str) -> None:
    """A template can make a header as large as a body, of a request of a few bytes."""
    large = {"X-Large": "x" * 4_000}
    journal = Journal(max_bytes=10_000)
    asked = request("/", **(large if part == "request" else {}))
    answer = text_answer(200, "")
    if part == "answer":
        answer = replace(answer, headers=tuple(large.items()))
    for _ in range(5):
        journal.add(Entry(asked, NOW, answer, None))
    assert len(journal) == 2


@pytest.mark.proves("M16", "M17")
def test_the_journal_says_what_matched_and_is_searched_by_pattern() -> None:
    """With the stub that answered, or the report of why none did."""
    one = stub(urlPath="/a")
    running = server(one)
    running.answer(request("/a?x=1"))
    running.answer(request("/b"))
    missed, hit = running.journal.newest_first()
    assert hit.stub is one
    assert hit.report is None
    assert not missed.matched
    assert missed.report is not None
    assert "Closest stub" in missed.report
    assert running.journal.find(one.request) == [hit]
    assert running.journal.get(hit.id) is hit


@pytest.mark.proves("M9")
def test_delays_are_those_of_the_stub_before_those_of_the_server() -> None:
    """Fixed and drawn delays add up."""
    own = stub({"fixedDelayMilliseconds": 250}, urlPath="/own")
    drawn = stub(
        {"delayDistribution": {"type": "uniform", "lower": 100, "upper": 200}}, urlPath="/drawn"
    )
    running = server(own, drawn, stub({}, urlPath="/plain"))
    assert running.answer(request("/plain")).delay_seconds == 0
    assert running.answer(request("/own")).delay_seconds == 0.25
    assert 0.1 <= running.answer(request("/drawn")).delay_seconds <= 0.2


@pytest.mark.proves("M9")
@given(seed=st.integers(0, 2**32), sigma=st.floats(0, 3))
def test_drawn_delays_stay_in_their_bounds(seed: int, sigma: float) -> None:
    """A lognormal delay is cut off by drawing again."""
    dice = random.Random(seed)
    assert 0 < Lognormal(0.08, sigma, 2.0).draw(dice) <= 2.0
    assert 0.01 <= Uniform(0.01, 0.05).draw(dice) <= 0.05


@pytest.mark.proves("M9")
def test_a_lognormal_delay_has_its_median() -> None:
    """Half of a thousand draws are below it, to within four standard deviations."""
    dice = random.Random(SEED)
    drawn = Lognormal(0.08, 0.4, None)
    below = sum(drawn.draw(dice) < 0.08 for _ in range(1_000))
    assert abs(below - 500) < 4 * (1_000 / 4) ** 0.5, SEED


@pytest.mark.proves("M9")
@given(body=st.binary(min_size=1, max_size=200), chunks=st.integers(1, 300))
def test_a_dribbled_body_is_whole_in_pieces_of_nearly_equal_size(body: bytes, chunks: int) -> None:
    """No piece is empty, and there are as many as asked for where the body has the bytes."""
    pieces = Dribble(chunks, 1.0).pieces(body)
    assert b"".join(pieces) == body
    assert len(pieces) == min(chunks, len(body))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


@pytest.mark.proves("M19")
def test_outage_switches_disturb_the_share_they_are_set_to() -> None:
    """Errors and faults by their rates, latency always, down for all."""
    dice = random.Random(SEED)
    good = text_answer(200, "ok")
    switched = Outage(error_rate=0.3, error_status=502, fault_rate=0.2, latency_milliseconds=40)
    disturbed = [switched.disturb(good, dice) for _ in range(2_000)]
    errors = sum(answer.status == 502 for answer in disturbed)
    faults = sum(answer.fault is Fault.CONNECTION_RESET_BY_PEER for answer in disturbed)
    assert abs(errors - 600) < 4 * (2_000 * 0.3 * 0.7) ** 0.5, SEED
    assert abs(faults - 400) < 4 * (2_000 * 0.2 * 0.8) ** 0.5, SEED
    assert {answer.delay_seconds for answer in disturbed} == {0.04}
    down = Outage(down=True, latency_milliseconds=40).disturb(good, dice)
    assert (down.fault, down.delay_seconds) == (Fault.CONNECTION_RESET_BY_PEER, 0.0)
    assert Outage().disturb(good, dice) == good
    assert not Outage().active


@pytest.mark.proves("M19")
@pytest.mark.parametrize(
    ("switches", "pointer"),
    [
        ({"errorRate": 1.5}, ("errorRate",)),
        ({"errorRate": True}, ("errorRate",)),
        ({"fault": "BANG"}, ("fault",)),
        ({"latency": 5}, ("latency",)),
        ({"errorRate": 0.6, "faultRate": 0.6}, ()),
    ],
)
def test_bad_switches_are_named(switches: dict[str, object], pointer: tuple[str, ...]) -> None:
    """A value out of range or a switch that does not exist."""
    with pytest.raises(FieldError) as caught:
        read_outage(switches)
    assert caught.value.pointer == pointer
