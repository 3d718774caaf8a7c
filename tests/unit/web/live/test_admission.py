"""How many may connect."""

import pytest
import trio
import trio.testing

from web.live.admission import ADMITTED_AT_ONCE, Admission, handshakes


def make(most: int, most_per_address: int) -> Admission:
    return Admission(
        most=most, most_per_address=most_per_address, handshakes=handshakes(most_per_address)
    )


@pytest.mark.proves("W10")
def test_connections_are_counted_in_all_and_by_address() -> None:
    """Both limits are refused with when to come back; who leaves makes room."""
    admission = make(most=3, most_per_address=2)
    with admission.admitted("a"):
        with admission.admitted("a"):
            refusal = admission.refusal("a", 0.0)
            assert refusal is not None
            assert (refusal.status, refusal.retry_after) == (429, 5)
            admission.count_refusal(refusal)
            assert admission.refusal("b", 0.0) is None
            with admission.admitted("b"):
                refusal = admission.refusal("c", 0.0)
                assert refusal is not None
                assert (refusal.status, refusal.retry_after) == (503, 5)
                admission.count_refusal(refusal)
            statistics = admission.statistics()
            assert (statistics.connections, statistics.addresses) == (2, 1)
        assert admission.refusal("a", 0.0) is None
    statistics = admission.statistics()
    assert (statistics.connections, statistics.addresses) == (0, 0)
    assert statistics.refused == {"too_many_connections": 1, "full": 1}


def test_one_without_limits_is_held_by_those_of_the_node_alone() -> None:
    """It takes nothing from its address, and a full node is full."""
    admission = make(most=2, most_per_address=1)
    with admission.admitted("a"):
        for _ in range(500):
            assert admission.refusal("a", 0.0, unlimited=True) is None
        with admission.admitted("a"):
            refusal = admission.refusal("a", 0.0, unlimited=True)
            assert refusal is not None
            assert refusal.code == "full"
    assert admission.refusal("a", 0.0) is None


@pytest.mark.proves("W10")
def test_an_address_may_not_come_and_go_without_end() -> None:
    """All its connections at once, twice over; then a part of them each second. Others may."""
    admission = make(most=10, most_per_address=200)
    assert [admission.refusal("a", 0.0) for _ in range(400)] == [None] * 400
    refusal = admission.refusal("a", 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "too_many_handshakes")
    assert refusal.retry_after == 1
    assert admission.refusal("b", 0.0) is None
    assert sum(admission.refusal("a", 1.0) is None for _ in range(100)) == 40
    assert [admission.refusal("a", 11.0) for _ in range(400)] == [None] * 400


def test_a_user_may_not_come_and_go_without_end_either() -> None:
    """From many addresses, say; it counts beside those, and a user at one of them has a part."""
    admission = make(most=10, most_per_address=200)
    assert [admission.user_refusal("ann", 0.0) for _ in range(200)] == [None] * 200
    refusal = admission.user_refusal("ann", 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "too_many_handshakes")
    assert admission.user_refusal("bob", 0.0) is None
    assert admission.refusal("a", 0.0) is None


async def test_no_more_are_let_in_at_a_time_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Others wait in the order they came; when too many wait, one more is told to come back."""
    monkeypatch.setattr("web.live.admission.MOST_WAITING", 3)
    admission = make(most=100, most_per_address=100)
    let_in: list[int] = []
    served = trio.Semaphore(0)

    async def come(number: int) -> None:
        async with admission.door:
            let_in.append(number)
            await served.acquire()

    for number in range(ADMITTED_AT_ONCE + 3):
        assert admission.refusal("a", 0.0) is None
        nursery.start_soon(come, number)
        await trio.testing.wait_all_tasks_blocked()
    assert admission.statistics().waiting == 3
    refusal = admission.refusal("a", 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "busy", 5)
    assert let_in == list(range(ADMITTED_AT_ONCE))
    for count in range(ADMITTED_AT_ONCE + 1, ADMITTED_AT_ONCE + 4):
        served.release()
        await trio.testing.wait_all_tasks_blocked()
        assert let_in == list(range(count))
    nursery.cancel_scope.cancel()
