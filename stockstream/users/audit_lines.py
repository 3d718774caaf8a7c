"""Entries of the audit as lines: JSON for programs, CSV for sheets, text for a terminal. Pure."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import msgspec

from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.users.operator_audit import StoredEntry

_FORMULAS = re.compile(r"(^|[;\t\r\n])(?=[=+\-@\t\r])")
"""Where a sheet may take a cell for a formula: where it begins, and behind what ends a cell
elsewhere. Targets and names are what somebody sent."""


class AuditLine(msgspec.Struct, frozen=True):
    """An entry as it leaves: the time in UTC, and what was before and after as JSON."""

    id: int
    at: str
    who: str
    account: int | None
    credential: str
    address: str
    node: str
    action: str
    target: str | None
    before: msgspec.Raw
    after: msgspec.Raw
    outcome: str
    correlation_id: str | None

    @classmethod
    def of(cls, stored: StoredEntry) -> AuditLine:
        """The line of an entry."""
        entry = stored.entry
        return cls(
            id=stored.id,
            at=iso_utc(entry.at),
            who=entry.who,
            account=entry.account_id,
            credential=entry.credential,
            address=entry.address,
            node=entry.node,
            action=entry.action,
            target=entry.target,
            before=_raw(entry.before),
            after=_raw(entry.after),
            outcome=entry.outcome,
            correlation_id=entry.correlation_id,
        )


def json_line(stored: StoredEntry) -> str:
    """An entry as a line of JSON."""
    return f"{msgspec.json.encode(AuditLine.of(stored)).decode()}\n"


def csv_header() -> str:
    """The names of the columns."""
    return _csv(AuditLine.__struct_fields__)


def csv_line(stored: StoredEntry) -> str:
    """An entry as a line of CSV. A cell that a sheet would take for a formula begins with `'`."""
    line = AuditLine.of(stored)
    values = (getattr(line, name) for name in AuditLine.__struct_fields__)
    return _csv(_cell(value) for value in values)


def text_line(stored: StoredEntry) -> str:
    """An entry for people. What cannot be printed is replaced: a terminal would obey it."""
    entry = stored.entry
    words = [
        iso_utc(entry.at),
        entry.who,
        entry.action,
        entry.target or "-",
        entry.outcome,
        f"({entry.credential}, {entry.address or 'no address'}, {entry.node})",
    ]
    if entry.after is not None:
        words.append(entry.after)
    text = "  ".join(words)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text) + "\n"


def _raw(text: str | None) -> msgspec.Raw:
    return msgspec.Raw(b"null" if text is None else text.encode())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, msgspec.Raw):
        text = bytes(value).decode()
        return "" if text == "null" else _defused(text)
    return str(value) if isinstance(value, int) else _defused(str(value))


def _defused(text: str) -> str:
    return _FORMULAS.sub(r"\1'", text)


def _csv(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
