"""What mypy makes of the runtime's API: right uses pass, wrong ones are refused, each by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

CASES = Path(__file__).parent / "typing_cases"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """Per file, the line and code of each error; one run for both, as mypy starts slowly."""
    arguments = ["--config-file", str(ROOT / "pyproject.toml"), "--strict", "--show-error-codes",
                 "--enable-error-code", "unused-coroutine", "--cache-dir",
                 str(tmp_path_factory.mktemp("mypy")), str(CASES / "right.py"),
                 str(CASES / "wrong.py")]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        output, errors, _status = api.run(arguments)
    assert not errors, errors
    found: dict[str, dict[int, str]] = {"right.py": {}, "wrong.py": {}}
    for line in output.splitlines():
        match = re.match(r".*?(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", line)
        if match:
            found[match[1]][int(match[2])] = match[3]
    assert "error" in output, "the wrong uses must be seen at all"
    return found


def test_right_uses_are_accepted(complaints):
    """With the types that `assert_type` expects."""
    assert complaints["right.py"] == {}


def test_wrong_uses_are_refused(complaints):
    """Every marked line, for its reason, and no other."""
    expected = {
        number: line.partition("# E: ")[2]
        for number, line in enumerate((CASES / "wrong.py").read_text().splitlines(), start=1)
        if "# E: " in line
    }
    found = complaints["wrong.py"]
    assert found.keys() == expected.keys()
    for number, codes in expected.items():
        assert found[number] in codes.split("|"), f"line {number}"
