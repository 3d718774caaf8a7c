"""The lock files hold versions only: an installation uses whatever index its machine has."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-tracing.lock")
# Put together from parts, or this file would be the one that names them.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("npmmirror", "com"),
        ("npm", "pkg", "github", "com"),
    )
)


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_registry_host():
    """Neither a lock file, nor a script, nor a text."""
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in _tracked()
        for host in HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert named == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_python_lock_is_names_and_versions(lock: str):
    """Each line pins one version, perhaps under a condition; no option and no address."""
    pin = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][\w.+!]*( ; [\w\s.'<>=!()]+)?")
    lines = (ROOT / lock).read_text().splitlines()
    assert len(lines) > 20
    assert [line for line in lines if not pin.fullmatch(line)] == []


def test_the_development_lock_has_the_same_versions():
    """What tests run on is what a start installs."""
    run, dev, tracing = (set((ROOT / lock).read_text().splitlines()) for lock in LOCKS)
    assert run <= tracing <= dev


def test_every_declared_dependency_is_locked():
    """A dependency added to pyproject.toml and not locked would be missing on a new machine.

    Our own library is in no lock: it is installed from this very checkout.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for lock, declared in (
        (LOCKS[0], project["project"]["dependencies"]),
        (LOCKS[1], project["dependency-groups"]["dev"]),
        (LOCKS[2], project["project"]["optional-dependencies"]["tracing"]),
    ):
        locked = {line.partition("==")[0] for line in (ROOT / lock).read_text().splitlines()}
        names = {re.match(r"[\w.-]+", entry)[0].lower().replace("_", "-") for entry in declared}
        assert names - {"trio-supervision"} <= locked
        assert "trio-supervision" not in locked


@pytest.mark.parametrize(
    "lock", [path for path in sorted(ROOT.glob("web/*/package-lock.json")) if path.is_file()]
)
def test_an_npm_lock_has_no_download_address(lock: Path):
    """`omit-lockfile-registry-resolved` keeps them out."""
    packages = json.loads(lock.read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
