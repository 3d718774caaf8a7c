"""Entries of the audit: what is kept of what somebody sent, how many wait, and how they read."""

from __future__ import annotations

import csv
import io
import json

import pytest
import trio

from stockstream import paths
from stockstream.audit_inbox import AuditEntry, AuditInbox
from stockstream.spans import Traced
from stockstream.users.audit_lines import csv_header, csv_line, json_line, text_line
from stockstream.users.operator_audit import LONGEST_TEXT, Author, StoredEntry
from supervision import (
    Actor,
    ChildSpec,
    NotTheWriter,
    Request,
    System,
    correlation_id,
    handles,
    supervisor,
)

ALICE = Author("alice", 7, "session 3", "192.0.2.7", "a")


def entry(target: str | None = None, after: object = None) -> AuditEntry:
    return ALICE.entry("chaos.inject", target, after=after)


def test_what_a_database_or_terminal_cannot_take_is_replaced() -> None:
    """In texts and in values; long ones are cut, and still JSON."""
    made = entry("nul \0 and half a pair \ud800", {"a\0": ["\0", 1e400, 2**200], "n": None})
    assert made.target == "nul \N{REPLACEMENT CHARACTER} and half a pair ?"
    assert made.after is not None
    assert json.loads(made.after)["a\N{REPLACEMENT CHARACTER}"][0] == "\N{REPLACEMENT CHARACTER}"
    assert len(entry("x" * 10_000).target or "") == LONGEST_TEXT + 1
    cut = entry(after={"x": "y" * 100_000}).after
    assert cut is not None
    assert len(json.loads(cut)) == LONGEST_TEXT + 1
    hostile = text_line(StoredEntry(1, entry("\x1b]0;owned\x07\nsecond line\u202e")))
    assert hostile.rstrip("\n").isprintable()
    assert "second line" in hostile


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_a_sheet_takes_no_cell_for_a_formula(begin: str) -> None:
    """Whoever sent it; all else is as it was."""
    target = f'{begin}HYPERLINK("http://evil.example"),\n'
    text = csv_header() + csv_line(StoredEntry(1, entry(target, {"n": -1})))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["target"] == f"'{target}"
    assert (row["who"], row["account"], row["after"]) == ("alice", "7", '{"n":-1}')
    assert row["before"] == ""
    # Elsewhere a cell ends at a semicolon.
    assert f";'{begin}1+1;" in csv_line(StoredEntry(1, entry(f"x;{begin}1+1;", {"n": -1})))
    line = json.loads(json_line(StoredEntry(1, entry(target, {"n": -1}))))
    assert (line["target"], line["after"], line["before"]) == (target, {"n": -1}, None)


class Fill(Request[list[bool]]):
    __slots__ = ()


async def test_a_full_inbox_keeps_what_it_has(autojump_clock: object) -> None:
    """Who floods it gets rid of nothing; only `web` adds, and nobody but the keeper takes away."""
    inbox = AuditInbox(writer=paths.WEB, reader=paths.AUDIT, limit=3)
    entries = [entry(str(number)) for number in range(5)]

    class Web(Actor):
        @handles(Fill)
        def _on_fill(self, _message: Fill) -> list[bool]:
            with pytest.raises(NotTheWriter):
                inbox.acknowledge([])
            return [inbox.append(one) for one in entries]

    with pytest.raises(NotTheWriter):
        inbox.append(entries[0])
    system = System()
    kept: list[bool] = []

    async def fill() -> None:
        kept.extend(await system.ref(paths.WEB).call(Fill()))
        system.stop()

    async with trio.open_nursery() as nursery:
        root = supervisor("root", [ChildSpec("web", Web)])
        nursery.start_soon(lambda: system.run(root, on_start=lambda _: nursery.start_soon(fill)))
    assert kept == [True, True, True, False, False]
    assert inbox.waiting(10) == entries[:3]
    assert (inbox.untold, inbox.statistics().lost) == (2, 2)


def test_an_entry_of_traced_work_is_written_like_any_other() -> None:
    before = correlation_id.set(Traced("c0ffee", trace=1, span=2))
    try:
        made = entry("x")
    finally:
        correlation_id.reset(before)
    assert json.loads(json_line(StoredEntry(1, made)))["correlation_id"] == "c0ffee"
