"""The library and the product are two distributions, each whole, installed from their wheels."""

from __future__ import annotations

import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.integration.distributions.support import (
    LIBRARY,
    PRODUCT,
    ROOT,
    Environment,
    build_wheels,
    names_in,
)
from tests.support.deep import DEEP

if TYPE_CHECKING:
    from pathlib import Path

QUICK = [
    "tests/conformance/test_auto_shutdown.py", "tests/conformance/test_calls.py",
    "tests/conformance/test_monitors_registry.py", "tests/conformance/test_strategies.py",
]  # fmt: skip
EVERY = ["tests/conformance", "tests/unit/supervision"]
WHERE = """
import pathlib, mockserver.admin, stockstream.application, supervision, web.app
for package in (mockserver, stockstream, supervision, web):
    print(pathlib.Path(package.__file__).parents[1])
"""
TESTED_WITH = ("pytest", "pytest-trio", "hypothesis")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, built once."""
    return build_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def library(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the library, what it requires, and nothing else."""
    environment = Environment(tmp_path_factory.mktemp("library") / "environment")
    environment.install(wheels[LIBRARY])
    environment.lend(["trio"])
    return environment


def test_the_library_needs_nothing_but_trio(library: Environment, tmp_path: Path):
    """Its wheel in an empty environment: requirements are met, an example runs to its end."""
    assert library.check() == ""
    requires = "from importlib.metadata import requires; print(requires('trio-supervision'))"
    assert library.run("-c", requires, cwd=tmp_path) == "['trio>=0.31']\n"
    shutil.copy(ROOT / "examples/supervision/counter.py", tmp_path)
    assert library.run("counter.py", cwd=tmp_path).splitlines()[-1] == "crashes: 1"
    where = library.run("-c", "import supervision; print(supervision.__file__)", cwd=tmp_path)
    assert where.startswith(str(library.packages))


def test_the_librarys_wheel_has_what_an_index_shows(wheels: dict[str, Path]):
    """Types, license and README; and no file beside the package."""
    names = names_in(wheels[LIBRARY])
    assert {"supervision/py.typed", "supervision/README.md", "supervision/__init__.py"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "supervision", "trio_supervision",
    }  # fmt: skip
    modules = {f"supervision/{path.name}" for path in (ROOT / "supervision").glob("*.py")}
    assert modules <= names


def test_the_license_is_the_products():
    """A wheel takes its files from below its own folder, so the library has a copy."""
    assert (ROOT / "supervision/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_product_requires_the_library_of_its_own_version():
    """One checkout makes both; another pair was never tested."""
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    library = tomllib.loads((ROOT / "supervision/pyproject.toml").read_text())["project"]
    assert product["version"] == library["version"]
    assert f"{library['name']}=={library['version']}" in product["dependencies"]
    assert set(library["dependencies"]) <= set(product["dependencies"])
    assert library["requires-python"] == product["requires-python"]
    pythons = [text for text in product["classifiers"] if "Python :: 3." in text]
    assert [text for text in library["classifiers"] if "Python :: 3." in text] == pythons


def test_the_product_runs_from_its_wheel_and_the_librarys(wheels: dict[str, Path], tmp_path: Path):
    """An environment of both and what the lock has: nothing is missing, the command works."""
    names = names_in(wheels[PRODUCT])
    assert not [name for name in names if name.startswith("supervision/") or "node_modules" in name]
    migrations = (ROOT / "stockstream/database/migrations/versions").glob("0*.py")
    assert {str(path.relative_to(ROOT)) for path in migrations} <= names
    environment = Environment(tmp_path / "environment")
    environment.install(wheels[PRODUCT], wheels[LIBRARY])
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment.lend(product["dependencies"])
    assert environment.check() == ""
    command = environment.folder / "bin/stockstream"
    assert "stockstream" in environment.run(command, "--version", cwd=tmp_path)
    assert environment.run("-c", WHERE, cwd=tmp_path).split() == [str(environment.packages)] * 4


def test_the_librarys_tests_pass_on_the_installed_wheel(library: Environment, tmp_path: Path):
    """Some of them by `make test`, all of them by `make test-deep`."""
    checkout = tmp_path / "tests_alone"
    for folder in EVERY:
        shutil.copytree(ROOT / folder, checkout / folder)
    (checkout / "tests/support").mkdir()
    shutil.copy(ROOT / "tests/support/deep.py", checkout / "tests/support")
    library.lend(TESTED_WITH)
    settings = checkout / "pytest.ini"
    settings.write_text(
        "[pytest]\naddopts = --import-mode=importlib --strict-markers\ntrio_mode = true\n"
        "pythonpath = .\nmarkers =\n    proves(*statements): statements\n    alone: judges time\n"
    )
    # What needs this checkout, not the library: its README, its examples and its mypy settings.
    here = ["test_readme_and_examples.py", "test_typing.py"]
    chosen = [*EVERY, *(f"--ignore=tests/unit/supervision/{name}" for name in here)]
    said = library.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *(chosen if DEEP else QUICK),
        cwd=checkout, timeout=1_800 if DEEP else 60,
    )  # fmt: skip
    assert " passed" in said
    assert "failed" not in said
