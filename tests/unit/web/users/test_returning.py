"""Where a login leads, and what the pages of accounts tell."""

from __future__ import annotations

import pytest

from stockstream.alerts.moving import Moved
from web.users.returning import own_path
from web.users.telling import counts_of, read_counts, told_agent, told_time


@pytest.mark.parametrize("path", ["/", "/s/AAPL?range=1d", "/stocks/s/BRK.B#chart", "/a//b", "/é"])
def test_a_path_of_ours_is_one(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "s/AAPL",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/a\\b",
        "\\/evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/a b",
        "/a\r\nSet-Cookie: x=y",
        "/\x00",
        "/" + "a" * 2_000,
    ],
)
def test_what_a_browser_may_read_as_another_host_is_none(path: str) -> None:
    assert own_path(path) is None


def test_what_came_along_is_told_by_an_address_of_numbers() -> None:
    moved = Moved(2, 1, 0, ("Tech (2)",), ("Cars",), 3)
    assert counts_of(moved) == {"lists": 2, "rules": 1, "renamed": 1, "left": 4}
    assert counts_of(Moved()) == {}
    odd = {"lists": "²", "rules": "-1", "alerts": "1e5", "renamed": "1234567", "left": "12"}
    assert read_counts(odd) == {"lists": 0, "rules": 0, "alerts": 0, "renamed": 0, "left": 12}


def test_a_browser_is_told_by_its_name_and_system() -> None:
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1"
    edge = "Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0"
    assert told_agent(safari) == "Safari on iPhone"
    assert told_agent(edge) == "Edge on Windows"
    assert told_agent("curl/8.1") == "curl/8.1"
    assert told_agent("") == "a program that says nothing of itself"
    assert told_time(0) == "1 Jan 1970, 00:00 UTC"
