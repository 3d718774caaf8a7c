"""What a subscription becomes by a client's command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.delivery.messages import Changed, Refused
from stockstream.delivery.subscription_manager import MOST_REJECTED, changed
from stockstream.refusals import NOT_LISTED
from stockstream.tables import Subscription

KNOWN = {"AAPL", "MSFT", "TSLA", "NASDAQ:AAPL", "BRK.B", "^GSPC", "EURUSD=X", "BTC-USD"}
NOTHING = Subscription()
ALL = Subscription(everything=True)


def named(*symbols: str) -> Subscription:
    return Subscription(frozenset(symbols))


def apply(
    before: Subscription, *symbols: str, subscribe: bool = True, limit: int = 1000
) -> Changed | Refused:
    answer = changed(
        before,
        symbols,
        subscribe=subscribe,
        known=lambda symbol: symbol if symbol in KNOWN else NOT_LISTED,
        limit=limit,
    )
    if isinstance(answer, Changed):
        assert isinstance(hash(answer.subscription), int), "clients are grouped by it"
    return answer


def codes(answer: Changed | Refused) -> dict[str, str]:
    assert isinstance(answer, Changed)
    return {rejected.symbol: rejected.code for rejected in answer.rejected}


@pytest.mark.proves("W4")
@pytest.mark.parametrize("text", [*sorted(KNOWN), " aapl ", "nasdaq:aapl", "brk.b"])
def test_good_symbols_are_taken_however_they_are_written(text: str) -> None:
    """Trimmed and upper-cased."""
    assert apply(NOTHING, text) == Changed(named(text.strip().upper()), ())


@pytest.mark.proves("W4")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_symbol"),
        ("   ", "invalid_symbol"),
        ("!!", "invalid_symbol"),
        ("A B", "invalid_symbol"),
        ("AAPL;", "invalid_symbol"),
        ("A" * 33, "invalid_symbol"),
        ("ÄÖ", "invalid_symbol"),
        ("\x00", "invalid_symbol"),
        ("**", "invalid_symbol"),
        ("NOPE", "unknown_symbol"),
        ("A" * 15, "unknown_symbol"),
    ],
)
def test_bad_symbols_are_rejected_one_by_one(text: str, code: str) -> None:
    """With a code and a reason, and the good one beside them is served."""
    answer = apply(NOTHING, text, "AAPL")
    assert isinstance(answer, Changed)
    assert answer.subscription == named("AAPL")
    assert list(codes(answer).values()) == [code]
    assert answer.rejected[0].reason


@pytest.mark.proves("W4")
def test_many_bad_symbols_are_told_as_a_number() -> None:
    """A small message must not get a large answer."""
    answer = apply(NOTHING, *(f"!{number}" for number in range(500)), "AAPL")
    assert isinstance(answer, Changed)
    assert answer.subscription == named("AAPL")
    assert len(answer.rejected) == MOST_REJECTED + 1
    assert answer.rejected[-1].code == "and_more"
    assert "400" in answer.rejected[-1].reason


@pytest.mark.proves("W5")
def test_subscribing_twice_and_unsubscribing_nothing_change_nothing() -> None:
    """Both are answered with the state."""
    assert apply(named("AAPL"), "AAPL", "aapl") == Changed(named("AAPL"), ())
    assert apply(named("AAPL"), "MSFT", subscribe=False) == Changed(named("AAPL"), ())
    assert apply(NOTHING) == Changed(NOTHING, ())
    assert apply(NOTHING, "*", subscribe=False) == Changed(NOTHING, ())


@pytest.mark.proves("W5", "W4")
def test_everything_is_a_flag() -> None:
    """It takes the place of names, is exempt from the limit, and does not hide bad symbols."""
    assert apply(named("AAPL"), "*") == Changed(ALL, ())
    assert apply(NOTHING, " * ", limit=1) == Changed(ALL, ())
    mixed = apply(NOTHING, "*", "AAPL", "!!", "NOPE")
    assert isinstance(mixed, Changed)
    assert mixed.subscription == ALL
    assert codes(mixed) == {"!!": "invalid_symbol", "NOPE": "unknown_symbol"}
    assert apply(ALL, "AAPL") == Changed(ALL, ())
    assert codes(apply(ALL, "NOPE")) == {"NOPE": "unknown_symbol"}


@pytest.mark.proves("W5")
def test_one_symbol_cannot_be_taken_from_everything() -> None:
    """That is an error; a bad symbol is a bad symbol, and takes nothing away either."""
    refused = apply(ALL, "AAPL", "!!", subscribe=False)
    assert isinstance(refused, Refused)
    assert refused.code == "subscribed_to_all"
    assert apply(ALL, subscribe=False) == Changed(ALL, ())
    bad = apply(ALL, "!!", subscribe=False)
    assert isinstance(bad, Changed)
    assert bad.subscription == ALL
    assert codes(bad) == {"!!": "invalid_symbol"}
    assert apply(ALL, "*", "AAPL", subscribe=False) == Changed(NOTHING, ())


@pytest.mark.proves("W10")
def test_names_beyond_the_limit_are_rejected() -> None:
    """Those before it count, in the order they were given; those there already do not."""
    answer = apply(named("AAPL"), "AAPL", "MSFT", "TSLA", limit=2)
    assert isinstance(answer, Changed)
    assert answer.subscription == named("AAPL", "MSFT")
    assert codes(answer) == {"TSLA": "too_many_symbols"}


@given(
    st.lists(st.sampled_from([*KNOWN, "*", "!!", "NOPE", ""])),
    st.sampled_from([NOTHING, ALL, named("AAPL"), named("AAPL", "MSFT")]),
    st.booleans(),
)
def test_a_command_given_twice_is_as_good_as_once(
    symbols: list[str], before: Subscription, subscribe: bool
) -> None:
    """It is given again when a session dies (W19)."""
    once = apply(before, *symbols, subscribe=subscribe, limit=3)
    if isinstance(once, Changed):
        assert apply(once.subscription, *symbols, subscribe=subscribe, limit=3) == once
        assert not (once.subscription.everything and once.subscription.symbols)
        assert len(once.subscription.symbols) <= 3
