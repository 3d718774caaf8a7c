"""The library and the product are two distributions, each whole, installed from their wheels."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.distributions.support import (
    FILES,
    LIBRARY,
    PRODUCT,
    ROOT,
    Built,
    Environment,
    Person,
    build,
    checkout_files,
    contents,
    names_in,
    names_in_archive,
    serving,
)
from tests.support.deep import DEEP
from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

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


LITTER = (
    ".env", ".secrets/admin_token", ".stockstream/admin_token", "tests/test_left.py",
    "stockstream/.env", "stockstream/__pycache__/old.pyc", "supervision/tests/test_x.py",
    "web/assets/node_modules/left/index.js", "web/static/.env", "web/static/js/.draft.js.swp",
)  # fmt: skip
"""What lies in a developer's checkout, and nobody else should get."""
NOT_INSTALLED = ("web/assets/", "mockserver/README.md")
"""Of the packages' folders: what only developers need."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both distributions, built once."""
    return build(tmp_path_factory.mktemp("distributions"), LITTER)


@pytest.fixture(scope="module")
def wheels(built: Built) -> dict[str, Path]:
    """Their wheels."""
    return built.wheels


@pytest.fixture(scope="module")
def product(wheels: dict[str, Path]) -> Iterator[Environment]:
    """An environment with both and what they require, where other users can get, too."""
    folder = Path(tempfile.mkdtemp(prefix="stockstream-installed-"))
    folder.chmod(0o755)
    environment = Environment(folder / "environment")
    environment.install(wheels[PRODUCT], wheels[LIBRARY])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment.lend(project["dependencies"])
    yield environment
    shutil.rmtree(folder)


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


def test_the_products_wheel_has_all_of_its_packages_and_nothing_else(wheels: dict[str, Path]):
    """The list is the checkout's: each file is in it, or said not to be; no litter gets in."""
    checkout = checkout_files("stockstream", "web", "mockserver")
    expected = {name for name in checkout if not name.startswith(NOT_INSTALLED)}
    names = {name for name in names_in(wheels[PRODUCT]) if ".dist-info/" not in name}
    assert sorted(expected - names) == []
    assert sorted(names - expected) == []
    kept = {name.partition(".dist-info/")[2] for name in names_in(wheels[PRODUCT])} - {""}
    assert kept == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt",
    }  # fmt: skip


def test_an_archive_of_sources_has_what_its_wheel_is_made_of(built: Built):
    """And its changelog; no tests, no secrets, nothing else that lies in a checkout."""
    names = names_in_archive(built.archives[PRODUCT])
    expected = checkout_files("stockstream", "web", "mockserver")
    expected = {name for name in expected if not name.startswith(NOT_INSTALLED)}
    beside = {name for name in names - expected if "egg-info/" not in name}
    assert sorted(expected - names) == []
    assert beside == {*FILES, "PKG-INFO", "setup.cfg"}
    library = {
        name for name in names_in_archive(built.archives[LIBRARY]) if "egg-info/" not in name
    }
    sources = {name.removeprefix("supervision/") for name in checkout_files("supervision")}
    assert library == {*sources, "PKG-INFO", "setup.cfg"}


@pytest.mark.parametrize("name", [LIBRARY, PRODUCT])
def test_an_archive_of_sources_makes_the_wheel_of_the_checkout(built: Built, name: str):
    """File by file, its metadata too."""
    assert built.wheels[name].name == built.direct[name].name
    assert contents(built.wheels[name]) == contents(built.direct[name])


def test_the_product_runs_from_its_wheel_and_the_librarys(product: Environment, tmp_path: Path):
    """An environment of both and what the lock has: nothing is missing, the command works."""
    assert product.check() == ""
    command = product.folder / "bin/stockstream"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert product.run(command, "--version", cwd=tmp_path) == f"stockstream {version}\n"
    assert product.run("-c", WHERE, cwd=tmp_path).split() == [str(product.packages)] * 4


def test_an_installed_server_serves_from_an_empty_folder_and_is_found_from_any(
    product: Environment, tmp_path: Path
):
    """As somebody who may write to nothing but a home, whose name has blanks and other letters."""
    person = Person(product, product.folder.parent / "home of Zoë")
    empty, elsewhere = person.folder("empty"), person.folder("elsewhere")
    port = str(free_port())
    installed = sorted(path.name for path in product.packages.iterdir())
    with serving(person, empty, PORT=port, STUB_PORT="0") as (said, stop):
        assert f"dashboard  http://localhost:{port}\n" in said
        assert f"data       {person.data}\n" in said
        assert list(empty.iterdir()) == []
        page = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
        assert page.status_code == 200
        for asset in re.findall(r'(?:src|href)="(/s[^"]+)"', page.text)[:3]:
            got = httpx.get(f"http://127.0.0.1:{port}{asset}", trust_env=False)
            assert (got.status_code, bool(got.content)) == (200, True), asset
        # Its address and its token are found by its data: nothing is said of either.
        status, told, _ = person.run("watch", "--all", "--json", "--count", "1", cwd=elsewhere)
        assert status == 0
        assert '"type":"price"' in told.replace(" ", "")
        status, told, complaint = person.run("tree", cwd=elsewhere)
        assert status == 0, complaint
        assert "streamer" in told
        status, _, complaint = person.run("serve", cwd=elsewhere, PORT="0", STUB_PORT="0")
        assert status == 1
        assert f"a server runs with the data in {person.data} already" in complaint
        assert f"http://127.0.0.1:{port}, from {empty}" in complaint
        assert "its own DATA_DIRECTORY, PORT and STUB_PORT" in complaint
        assert stop() == 0
    assert person.data.stat().st_mode & 0o077 == 0
    assert (person.data / "postgres/data/PG_VERSION").exists()
    assert {path.stat().st_uid for path in person.data.iterdir()} == {person.home.stat().st_uid}
    status, _, complaint = person.run("tree", cwd=elsewhere)
    assert (status, "no server answers" in complaint) == (1, True)
    assert sorted(path.name for path in product.packages.iterdir()) == installed


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
