"""Clients that others wrote for WireMock work with the stub API, each with all it can do."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.mockserver.conftest import ROOT, started_stub_api, wiremock_jar

pytestmark = pytest.mark.proves("M16")

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
SECONDS = 120.0  # for Java to compile and run one file on a busy machine


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A stub API of its own, with the shipped stubs, that may save others."""
    shutil.copytree(ROOT / "mockserver" / "expectations", tmp_path / "mappings")
    with started_stub_api("--expectations", str(tmp_path)) as (_, started):
        yield started


def run(command: list[str]) -> None:
    """Run a client's calls; it prints `done` at the end."""
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("done")


def test_wiremock_for_python(url: str) -> None:
    """`wiremock` of PyPI: stubs, requests, near misses, scenarios, metadata, persistence."""
    run([sys.executable, str(CLIENTS / "python_client.py"), url])


def test_wiremock_captain(url: str) -> None:
    """`wiremock-captain` of npm."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "wiremock-captain").is_dir():
        pytest.skip("wiremock-captain IS SKIPPED: there is no Node or npm here to fetch it with")
    # Beside the packages, where Node looks for them.
    run([node, str(CLIENTS / "captain.mjs"), url])


def test_wiremocks_own_client(url: str) -> None:
    """The client in WireMock's jar: every form of its DSL, verifying, imports, removals."""
    java, jar = shutil.which("java"), wiremock_jar()
    if java is None or shutil.which("javac") is None:
        pytest.skip("WireMock's Java client IS SKIPPED: there is no Java compiler here")
    if jar is None or not jar.exists():
        pytest.skip("WireMock's Java client IS SKIPPED: its jar is missing")
    port = urlsplit(url).port
    run([java, "-Xmx256m", "-cp", str(jar), str(CLIENTS / "JavaClient.java"), str(port)])
