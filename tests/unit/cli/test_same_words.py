"""`stockstream watch` and the dashboard say the same of the same: its modules are asked in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from stockstream.cli.watch import figures
from stockstream.cli.watch.standing import (
    REASONS,
    FeedView,
    Held,
    RowState,
    bases_sentence,
    since,
    standing,
)
from stockstream.cli.watch.truths import truths
from stockstream.cli.watch.watching import Connecting, Open, Waiting, Watching
from stockstream.delivery.protocol import Status
from stockstream.quotes import Basis, TradingSession
from stockstream.statuses import StaleReason, SymbolState

NODE = shutil.which("node")
WORDS = Path(__file__).with_name("words.mjs")
NOW = 10_000_000.0

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not here")


def dashboard(cases: list[list[object]]) -> list[Any]:
    """What the dashboard says in each case, with the characters of a keyboard."""
    assert NODE is not None
    ran = subprocess.run(
        [NODE, str(WORDS)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.replace("\u00a0", " ").replace("\u2212", "-").replace("\u2019", "'")
    answers: list[Any] = json.loads(said)
    return answers


def test_numbers_and_ages() -> None:
    """Prices, changes and decimals of all sizes; ages at every border."""
    values = [0.000000382, 0.01, 0.125, 0.3, 0.30000000000000004, 1.005, 99.995, 150.25, 720_000.0]
    values += [1e-15, 2742.125, 12.3456789, 1e9]
    ages = [-5, 0, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 7_500_000, 86_400_000, 2e8]
    cases: list[list[object]] = []
    ours: list[object] = []
    for value, decimals in product(values, (2, 4, 6)):
        cases.append(["price", value, decimals])
        ours.append(figures.price(value, decimals))
        for sign in (1, -1):
            cases.append(["signed", sign * value, decimals])
            ours.append(figures.signed(sign * value, decimals))
    for value, base, before in product(values, (None, 0.05, 148.123), (2, 5)):
        cases.append(["decimals", value, base, before])
        ours.append(figures.decimals_for(value, base, before))
    for ms in ages:
        cases += [["age", ms], ["countdown", ms]]
        ours += [figures.age(ms), figures.countdown(ms)]
    assert ours == dashboard(cases)


def test_what_the_change_is_against() -> None:
    """With the time of a first price in its exchange's zone, and UTC for a zone nobody knows."""
    at = "2026-11-27T14:30:00.000Z"
    ms = datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000
    zones = ("America/New_York", "UTC", "Mars/Olympus", None)
    cases: list[list[object]] = []
    ours: list[object] = []
    for basis, zone, moment in product((*Basis, None), zones, (at, None)):
        held = Held(1.0, at, (1, 1), 0.0, basis=basis, base_at=moment, day_zone=zone)
        ours.append(since(held))
        told = None if moment is None else ms
        cases.append(["since", {"basis": basis, "baseAt": told, "dayZone": zone}])
    for bases in ([], ["open"], ["open", "open", "first_seen"], ["day_first", "previous_close"]):
        cases.append(["bases", bases])
        head, sentence = bases_sentence([Held(1, "", (1, 1), 0, basis=Basis(b)) for b in bases])
        ours.append({"head": head, "sentence": sentence})
    assert ours == dashboard(cases)


def views() -> list[tuple[FeedView, dict[str, object]]]:
    """Feeds in all states, each as we and as the dashboard write it down."""
    made = []
    fetched = (None, NOW - 900, NOW - 6_500, NOW - 70_000)
    feeds = (
        *product(("live", "stale", "down", "unknown"), (False,)),
        ("stale", True),
        ("down", True),
    )
    for at, (feed, partly), connected, doubt in product(
        fetched, feeds, (True, False), (None, NOW - 400, NOW - 3_000)
    ):
        ours = FeedView(at, 1_000.0, feed, connected, doubt, partly=partly)
        theirs = {"fetchedAt": at, "interval": 1, "feed": feed, "partly": partly}
        made.append((ours, {**theirs, "connected": connected, "doubtedSince": doubt}))
    return made


def test_how_a_symbol_stands() -> None:
    """Each state, reason, session and delay, under each state of the feed and the connection."""
    helds = [Held(1.0, "", (1, 1), NOW - age, session=session, delayed_seconds=delay, delayed=by)
             for age, session, (by, delay) in product(
                 (1_000, 61_000), (None, *TradingSession),
                 ((False, None), (True, None), (True, 900)))]  # fmt: skip
    helds += [
        Held(1.0, "", (1, 1), NOW, SymbolState.STALE, reason, NOW - 9_000)
        for reason in (*StaleReason, *REASONS, "of_a_newer_server", None)
    ]
    cases: list[list[object]] = []
    ours: list[tuple[str, str, str]] = []
    for held, (view, theirs) in product(helds, views()):
        quote = {
            "state": held.state, "reason": held.reason, "confirmedAt": held.confirmed_at,
            "changedAt": held.changed_at, "session": held.session, "delayed": held.delayed,
            "delayedSeconds": held.delayed_seconds,
        }  # fmt: skip
        cases.append(["standing", {"quote": quote, "rejected": None, "refusal": None}, theirs, NOW])
        stands = standing(held, None, view, NOW)
        note = stands.note
        if stands.state is RowState.STALE and held.state is not SymbolState.STALE:
            # A terminal has no tip to point at: why all of them are stale stands in the row.
            why, _, note = note.partition(", ")
            assert why in {"nothing newer could be fetched", "no word from the server"}
        ours.append((stands.state, stands.text, note))
    for entry, stands in (
        (
            {"quote": None, "rejected": None, "refusal": None},
            standing(None, None, views()[0][0], NOW),
        ),
        (
            {"quote": None, "rejected": "no", "refusal": None},
            standing(None, "no", views()[0][0], NOW),
        ),
    ):
        cases.append(["standing", entry, views()[0][1], NOW])
        ours.append((stands.state, stands.text, stands.note))
    said = dashboard(cases)
    assert ours == [(one["state"], one["text"], one["note"]) for one in said]
    assert {one["state"] for one in said} == {state.value for state in RowState}


def test_the_truths() -> None:
    """The connection, the feed and the breaker: names and details."""
    cases: list[list[object]] = []
    ours: list[dict[str, tuple[str, str]]] = []
    links = ((Connecting(), {"name": "connecting"}), (Open("one"), {"name": "open"}))
    for (link, theirs), circuit, (view, feed), probe in product(
        links, ("closed", "open", "half_open"), views(), (None, NOW + 4_100, NOW - 1)
    ):
        watching = Watching(())
        watching.status = Status(
            str(feed["feed"]), circuit, 1.0, reason="status 500", partly=bool(feed["partly"])
        )
        watching.fetched_at, watching.probe_at = view.fetched_at, probe
        watching.link, watching.doubted_since, watching.round_trip = link, view.doubted_since, 1.4
        watching._away_since = None if view.connected else NOW - 2_000
        status = {"feed": feed["feed"], "circuit": circuit, "reason": "status 500", "interval": 1}
        facts = {"connection": theirs, "roundTrip": 1.4, "status": status, "probeAt": probe}
        cases.append(["truths", {**facts, "feed": feed, "now": NOW}])
        told = truths(watching, NOW)
        parts = {"socket": told.connection, "feed": told.feed, "breaker": told.breaker}
        ours.append({name: (truth.name, truth.detail) for name, truth in parts.items()})
    said = [
        {name: (one["name"], one["detail"]) for name, one in parts.items()}
        for parts in dashboard(cases)
    ]
    assert ours == said


def test_a_lost_connection_says_when_it_is_tried_again_and_why() -> None:
    """The dashboard has the reason in its banner."""
    watching = Watching(())
    watching.linked(Waiting(NOW + 1_400, "connection refused"), NOW)
    told = truths(watching, NOW).connection
    assert (told.name, told.detail) == ("Lost", "retry in 2 s: connection refused")
