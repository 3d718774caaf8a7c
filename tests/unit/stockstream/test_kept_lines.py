"""The last lines of the log, in memory."""

from __future__ import annotations

import io

import pytest
import structlog

from stockstream import kept_lines, logs
from stockstream.kept_lines import LONGEST_TEXT, KeptLines


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> KeptLines:
    lines = KeptLines(lambda: 7, most=4)
    monkeypatch.setattr(logs, "LINES", lines)
    assert kept_lines.LINES is not lines
    return lines


@pytest.mark.parametrize("style", ["console", "json"])
def test_lines_are_kept_as_they_are_written_with_secrets_masked(kept, style):
    """With their fields and traces; the newest come first, and the oldest go."""
    logs.configure("info", style, io.StringIO())
    log = structlog.get_logger("web.admin")
    log.info("hidden later")
    log.debug("not written")
    log.warning("b", url="https://h/?apikey=hunter2", password="hunter2", long="x" * 2_000)
    try:
        raise RuntimeError("https://u:hunter2@host refused")
    except RuntimeError:
        log.exception("c")
    log.info("d", correlation_id="session-12")
    log.info("e", correlation_id="session")
    found = kept.find(10)
    assert [line.event for line in found] == ["e", "d", "c", "b"]
    assert [line.number for line in found] == [5, 4, 3, 2]
    assert "hunter2" not in repr(found)
    assert "RuntimeError" in (found[2].trace or "")
    assert len(found[3].fields["long"]) == LONGEST_TEXT + 1
    assert (found[0].at, found[0].part) == (7, "web.admin")


def test_lines_are_found_by_what_they_belong_to(kept):
    """A session's commands belong to it, and not to one whose name only begins like it."""
    logs.configure("info", "json", io.StringIO())
    for part, correlation in (("web", "s1"), ("web.admin", "s1-2"), ("bus", "s12")):
        structlog.get_logger(part).warning("Said", correlation_id=correlation)
    structlog.get_logger("bus").info("quiet", path="market/streamer")
    assert [line.correlation_id for line in kept.find(9, correlation="s1")] == ["s1-2", "s1"]
    assert [line.part for line in kept.find(9, part="web")] == ["web.admin", "web"]
    assert [line.event for line in kept.find(9, search="STREAMER")] == ["quiet"]
    assert len(kept.find(9, least="warning")) == 3
    assert len(kept.find(1)) == 1
