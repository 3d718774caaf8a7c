"""What we take from others, and what is said of it: licences, workflows, the threat model."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]
RIGHTS = {
    "release/attest": {"id-token", "attestations"},
    "release/publish-library": {"id-token"},
    "release/publish-product": {"id-token"},
    "release/page": {"contents"},
    "image/publish": {"packages", "id-token"},
    "docs/publish": {"pages", "id-token"},
}
"""What a job may write; all others only read."""
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts/licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def component(name: str, *said: str) -> dict[str, Any]:
    entries = [
        {"license": {"name": one}} if one.startswith("License ::") else {"expression": one}
        for one in said
    ]
    return {"name": name, "version": "1", "licenses": entries}


@pytest.mark.parametrize(
    ("said", "shipped", "bad"),
    [
        (["MIT"], True, False),
        (["MIT OR GPL-3.0"], True, False),
        (["MIT AND GPL-3.0"], True, True),
        (["Apache-2.0 WITH LLVM-exception"], True, False),
        (["MIT AND (GPL-3.0 OR BSD-3-Clause)"], True, True),
        (["License :: OSI Approved :: MIT License"], True, False),
        (["MPL-2.0"], True, False),
        (["GPL-3.0"], True, True),
        (["GPL-3.0"], False, False),
        (["AGPL-3.0"], False, True),
        (["License :: Other/Proprietary License"], False, True),
        ([], False, True),
    ],
)
def test_a_licence_that_is_not_on_the_list_is_named(
    licences: ModuleType, said: list[str], *, shipped: bool, bad: bool
) -> None:
    bill = {"components": [component("Some.Thing", *said)]}
    found = licences.faults(bill, licences.locked("some-thing==1\n" if shipped else "other==1\n"))
    assert bool(found) is bad
    assert all("some-thing 1" in line for line in found)


def test_a_lock_is_read_with_its_markers(licences: ModuleType) -> None:
    lock = "a==1\nb_c[d]==2 ; sys_platform == 'win32'\n# comment\n    # via x\n"
    assert licences.locked(lock) == {"a", "b-c"}


def test_files_that_cannot_be_read_are_a_usage_error(licences: ModuleType, tmp_path: Path) -> None:
    assert licences.main([]) == 2
    assert licences.main([str(tmp_path / "none.json")]) == 2
    (tmp_path / "bad.json").write_text("{")
    assert licences.main([str(tmp_path / "bad.json")]) == 2


def test_workflows_name_actions_by_commit_and_have_no_rights() -> None:
    assert WORKFLOWS
    for path in WORKFLOWS:
        text = path.read_text()
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {}, path.name
        for name, job in workflow["jobs"].items():
            rights = {right for right, how in job["permissions"].items() if how == "write"}
            assert rights == RIGHTS.get(f"{path.stem}/{name}", set()), f"{path.stem}/{name}"
            assert job.get("timeout-minutes", 0) <= 90
            assert "timeout-minutes" in job or "uses" in job, f"{path.stem}/{name}"
        for used, said in re.findall(r"uses: (\S+)(.*)", text):
            if not used.startswith("./"):
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", used), used
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", said), used


def test_an_action_has_one_commit_in_all_workflows() -> None:
    """Or one of them would be forgotten when it is raised."""
    used = set(re.findall(r"uses: (\S+@\S+)", "".join(path.read_text() for path in WORKFLOWS)))
    names = [one.partition("@")[0] for one in used]
    assert sorted(names) == sorted(set(names))


def test_hooks_run_what_is_installed_here_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        assert (ROOT / program).exists(), program
        for argument in arguments:
            if argument.startswith("scripts/"):
                assert (ROOT / argument).exists(), argument
        if "files" in hook:
            tracked = ["stockstream/quotes.py", "CHANGELOG.md", ".github/workflows/test.yml"]
            assert any(re.search(hook["files"], name) for name in tracked), hook["id"]


@pytest.mark.parametrize("name", ["fault", "wish"])
def test_an_issue_form_asks_each_thing_once(name: str) -> None:
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert ids == list(dict.fromkeys(ids))
    labels = [part["attributes"]["label"] for part in form["body"] if "label" in part["attributes"]]
    assert len(labels) == len(set(labels)) == len(ids)


def test_the_baseline_names_files_that_are_there() -> None:
    baseline = json.loads((ROOT / ".secrets.baseline").read_text())
    assert baseline["results"]
    gone = [name for name in baseline["results"] if not (ROOT / name).exists()]
    assert not gone, (
        "make it anew: detect-secrets scan --exclude-files '^tests/' >.secrets.baseline"
    )


def test_each_mitigation_names_a_test_that_is_there_or_says_that_it_is_accepted() -> None:
    text = (ROOT / "docs/threat-model.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if not row.startswith("| Threat |")]
    assert len(rows) > 30
    for row in rows:
        threat, kind, _mitigation, shown = (cell.strip() for cell in row.strip("|").split(" | "))
        assert kind in {
            "spoofing",
            "tampering",
            "repudiation",
            "disclosure",
            "denial",
            "elevation",
            "all",
        }
        if shown == "accepted":
            assert "accepted:" in row, f"{threat}: why?"
            continue
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
        assert named, threat
        for path, test in named:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{threat}: {path} has no {test}"
