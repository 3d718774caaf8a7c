"""docs/deploy.md: its values are those of the chart, its commands those of the programs."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from stockstream.cli import build
from tests.integration.operations.charts import ROOT, rendering

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "deploy.md").read_text()
VALUES = re.findall(r"<!-- tested: values -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_the_values_are_taken(number: int, tmp_path: Path) -> None:
    """As they stand, for the release and the namespace of the page."""
    file = tmp_path / "values.yaml"
    file.write_text(VALUES[number])
    made = rendering("--values", file, "--namespace", "prices", folder=tmp_path)
    assert made.returncode == 0, made.stderr


def test_keys_of_the_secret_are_those_the_chart_takes() -> None:
    """By default, so the page need not say them twice."""
    values = (ROOT / "deploy" / "helm" / "stockstream" / "values.yaml").read_text()
    (line,) = [line for line in LINES if "create secret" in line]
    assert set(re.findall(r"--from-\w+=(\w+)=", line)) == set(
        yaml.safe_load(values)["secrets"]["keys"].values()
    )


def test_each_command_names_what_there_is() -> None:
    """Services, files, targets of make, options of the program."""
    commands = [shlex.split(line) for line in LINES]
    assert {words[0] for words in commands} == {"docker", "make", "kubectl", "helm"}
    makefile = (ROOT / "Makefile").read_text()
    for words in commands:
        if words[0] == "make":
            assert re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE)
        elif words[:2] == ["docker", "compose"]:
            for name, value in pairwise(words):
                if name == "-f":
                    assert (ROOT / value).is_file(), value
            if "exec" in words:
                service, program, command, *rest = words[words.index("exec") + 1 :]
                assert service in COMPOSE["services"]
                assert program == "stockstream"
                build(command).parse_args([command, *rest], exit_on_error=False)
            elif words[-1] == "server":
                assert words[-1] in COMPOSE["services"]
        elif words[0] == "helm":
            assert "stockstream" in words
            assert words[words.index("--namespace") + 1] == "prices"
        elif words[0] == "kubectl" and "stockstream" in words and "--" in words:
            program, command, *rest = words[words.index("--") + 1 :]
            assert program == "stockstream"
            build(command).parse_args([command, *rest], exit_on_error=False)
    (chart,) = [word for words in commands for word in words if word.startswith("deploy/")]
    assert (ROOT / chart / "Chart.yaml").is_file()


def test_the_secrets_are_read_again_by_the_command_of_the_page() -> None:
    """SIGHUP is 1, and the server is process 1 of its container: the image has no entry point."""
    (line,) = [line for line in LINES if "os.kill" in line]
    assert "os.kill(1, 1)" in line
    assert "ENTRYPOINT" not in (ROOT / "Dockerfile").read_text()
