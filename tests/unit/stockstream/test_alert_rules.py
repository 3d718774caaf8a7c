"""The alerts for Prometheus: by promtool and amtool, and by what the pages say of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stockstream.cli import build
from tests.support.prometheus import checked

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "stockstream.rules.yaml"
TESTS = FOLDER / "stockstream.tests.yaml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
FAMILIES = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def loaded(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


ALERTS = {rule["alert"]: rule for group in loaded(RULES)["groups"] for rule in group["rules"]}


def test_promtool_finds_the_rules_right_and_each_alert_at_its_edges() -> None:
    """With all lints, and all tests: each fires where it should, and not before."""
    checked("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)
    checked("promtool", "test", "rules", TESTS)


def test_amtool_finds_the_example_right() -> None:
    """Who is told of what."""
    checked("amtool", "check-config", FOLDER / "alertmanager.yaml")


def test_each_alert_is_tested_on_both_sides() -> None:
    """It is quiet in one, and fires in another."""
    seen: dict[str, set[bool]] = {alert: set() for alert in ALERTS}
    for test in loaded(TESTS)["tests"]:
        for each in test.get("promql_expr_test", ()):
            (alert,) = re.findall(r'alertname="(\w+)"', each["expr"])
            seen[alert].add(bool(each["exp_samples"]))
    assert {alert: sides for alert, sides in seen.items() if sides != {True, False}} == {}


def test_the_alerts_that_alertmanager_holds_back_are_there() -> None:
    """Each name in its configuration is one of ours."""
    named = re.findall(
        r'alertname (?:=~|!=|=) "?([\w|]+)', (FOLDER / "alertmanager.yaml").read_text()
    )
    assert {name for names in named for name in names.split("|")} <= ALERTS.keys()


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_its_runbook(alert: str) -> None:
    """A heading that its annotation leads to, with words and a command or a place to look below."""
    rule = ALERTS[alert]
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{alert.lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    (text,) = re.findall(rf"^### {alert}\n((?:(?!#).*\n)+)", RUNBOOKS, re.MULTILINE)
    assert "`" in text


def test_no_runbook_is_left_over() -> None:
    """In the order of the rules."""
    assert re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_metric_of_an_alert_is_told(alert: str) -> None:
    """By the page of metrics, which is compared with what a running node tells."""
    families = dict(re.findall(r"^\| `(\w+)[^`]*` \| (\w+) \|", FAMILIES, re.MULTILINE))
    told = set(families) | {f"{name}_bucket" for name in families if families[name] == "histogram"}
    named = set(re.findall(r"\b(?:stockstream|process)_\w+", ALERTS[alert]["expr"]))
    assert named <= told


def test_the_commands_of_the_runbooks_are_there() -> None:
    """Nobody looks for the right one at night."""
    commands = re.findall(r"`stockstream ((?:[a-z]+ ?)+)", RUNBOOKS.replace("\n", " "))
    assert len(commands) > 20
    for command in commands:
        tokens = command.split()
        names, _, rest = build(tokens[0]).parse_commands(tokens)
        arguments = {("logs", "level"): {"web", "debug"}, ("jobs", "show"): {"backups"}}
        arguments[("jobs", "run")] = {"backups"}
        assert set(rest) <= arguments.get(names, set()), command
