"""Schemathesis asks a running server all that its OpenAPI document allows, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from stockstream import part_settings
from tests.support.tree import running_tree
from tests.support.users import rows_are_there, visitor
from web.users.access import CHANGES, NEW_ROWS

if TYPE_CHECKING:
    import pytest

SEED = 12
EXAMPLES = 5
"""Of each operation, beside those that lie at its bounds. Thousands found nothing more."""
SECONDS = 90.0
SETTINGS = """
[auth.openapi.user]
api_key = "{cookie}"

[checks]
# What is changed does not always go with what is there.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 503]
positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 404, 409, 410, 503]

# What no schema tells: fields of a rule depend on each other, ranges of time have an order and a
# widest, times begin in 1970, and a name is printable.
[[operations]]
include-path-regex = "/api/v1/(alerts|watchlists|history|ticks|indicators).*"
checks.positive_data_acceptance.enabled = false
"""


async def test_every_route_answers_as_it_says_whatever_it_is_asked(
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No 5xx, no answer that is not described, nothing taken that the document forbids."""
    for name, limit in (("CHANGES", CHANGES), ("NEW_ROWS", NEW_ROWS)):
        monkeypatch.setattr(part_settings, name, replace(limit, burst=100_000))
    settings = tmp_path / "schemathesis.toml"
    async with running_tree(database_url=database_url) as tree, visitor(tree) as browser:
        await rows_are_there(browser)
        (cookie,) = browser.cookies.values()
        settings.write_text(SETTINGS.format(cookie=cookie))
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={settings}",
            "--no-color",
            "run",
            f"{tree.url}/openapi.json",
            f"--seed={SEED}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--generation-database=none",
        ]
        with trio.fail_after(SECONDS):
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=tmp_path
            )
    report = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"seed {SEED}:\n{report}"
    assert "Traceback" not in caplog.text
