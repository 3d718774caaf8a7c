"""What tests of several folders share: a real PostgreSQL server, started once and when needed.

And who runs beside whom, where `-n` runs them in several processes.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.alone import room
from tests.support.database import PostgresServer, make_cluster

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


# Other tests share the machine: an example that takes long is none that failed. In CI the profile
# that Hypothesis has for it is the parent, which draws the same examples each time.
settings.register_profile("shared machine", settings(), deadline=None, print_blob=True)
settings.load_profile("shared machine")


def pytest_collection_finish() -> None:
    """Take what was collected, which stays to the end, out of the sight of the garbage collector.

    Thousands of tests, and all modules that they import, are more than a million objects. Each full
    collection would visit them, and a test that asks what there is would be told of them.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have the test run beside those of other processes, or alone where it is marked so."""
    if not hasattr(item.config, "workerinput"):
        return (yield)  # there are no others
    # Workers have folders of their own in that of the run.
    folder = item.config._tmp_path_factory.getbasetemp().parent
    with room(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how far the runtime agrees with OTP: `record_property("agreement", ...)` of a test."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, value in report.user_properties:
            if name == "agreement" and report.when == "call":
                terminalreporter.write_line(str(value))


@pytest.fixture(scope="session")
def _cluster_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cluster(tmp_path_factory.mktemp("postgres") / "template")


@pytest.fixture
def cluster(_cluster_template: Path, tmp_path: Path) -> Path:
    """A data directory of its own, whose embedded server has the schema already."""
    target = tmp_path / "data"
    shutil.copytree(_cluster_template, target)
    return target


@pytest.fixture(scope="session")
def postgres_server(
    _cluster_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """A running server for the session; its databases are the tests' own."""
    folder = tmp_path_factory.mktemp("postgres") / "server"
    shutil.copytree(_cluster_template, folder)
    with PostgresServer(folder) as server:
        yield server


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> str:
    """A new database with the newest schema and nothing in it."""
    return postgres_server.create_database()


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> str:
    """A new database without anything in it."""
    return postgres_server.create_database(template="template0")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 120 MB, so that a test can fill it. Skipped where none may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
