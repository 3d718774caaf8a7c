"""The stub API really started, on a real socket; and the real WireMock beside it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from mockserver.server import serve

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START_SECONDS = 30.0  # for a Java process on a busy machine


@dataclass
class StubApi:
    """A running stub API: its files, and a client for it."""

    directory: Path
    url: str
    client: httpx.AsyncClient

    def write(self, name: str, value: object) -> None:
        """Save a stub file; `value` is JSON or text as it is."""
        text = value if isinstance(value, str) else json.dumps(value)
        (self.directory / f"{name}.json").write_text(text)

    async def add(self, mapping: object) -> str:
        """Add a stub over the admin API; return its id."""
        response = await self.client.post("/__admin/mappings", json=mapping)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])


@pytest.fixture
async def stub_api(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[StubApi]:
    """An empty stub API in this process, with --reload, on a free port."""
    directory = tmp_path / "expectations"
    directory.mkdir()
    url = await nursery.start(partial(serve, "127.0.0.1", 0, directory, reload=True))
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield StubApi(directory, url, client)


@contextmanager
def started_stub_api(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m mockserver` on a free port, and its URL once it is ready; ended afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "mockserver", "--port", "0", "--announce", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready "), (line, process.stderr and process.stderr.read())
            yield process, line.removeprefix("ready ").strip()
        finally:
            process.kill()


def wiremock_jar() -> Path | None:
    """The jar that `npm ci` put beside this file, or that WIREMOCK_JAR names."""
    if named := os.environ.get("WIREMOCK_JAR"):
        return Path(named)
    found = sorted(HERE.glob("node_modules/wiremock/build/wiremock-standalone-*.jar"))
    return found[-1] if found else None


@dataclass
class Both:
    """The real WireMock and the stub API, started on copies of the same files."""

    wiremock: httpx.Client
    ours: httpx.Client

    def each(self) -> Iterator[httpx.Client]:
        yield self.wiremock
        yield self.ours

    def reset(self) -> None:
        for client in self.each():
            assert client.post("/__admin/reset").status_code == 200
            assert client.post("/__admin/settings", json={"fixedDelay": None}).status_code == 200

    def add(self, mapping: object) -> None:
        for client in self.each():
            response = client.post("/__admin/mappings", json=mapping)
            assert response.status_code == 201, response.text

    def ask(
        self, method: str, url: str, **options: object
    ) -> tuple[httpx.Response, httpx.Response]:
        """The same request to both: WireMock's answer, then ours."""
        wiremock, ours = (client.request(method, url, **options) for client in self.each())
        return wiremock, ours


@pytest.fixture(scope="session")
def both_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    java, jar = shutil.which("java"), wiremock_jar()
    if java is None:
        pytest.skip("conformance with WireMock IS SKIPPED: there is no Java here")
    if jar is None or not jar.exists():
        pytest.skip(
            "conformance with WireMock IS SKIPPED: its jar is missing; "
            "`make test` fetches it where npm is"
        )
    root = tmp_path_factory.mktemp("wiremock")
    shutil.copytree(ROOT / "mockserver" / "expectations", root / "mappings")
    (root / "__files").mkdir()
    (root / "__files" / "hello.txt").write_text("hello {{request.method}}")
    with (
        started_stub_api("--expectations", str(root)) as (_, url),
        _started_wiremock(java, jar, root) as their_url,
        httpx.Client(base_url=their_url, timeout=20) as wiremock,
        httpx.Client(base_url=url, timeout=20) as ours,
    ):
        yield Both(wiremock, ours)


@contextmanager
def _started_wiremock(java: str, jar: Path, root: Path) -> Iterator[str]:
    log = root / "wiremock.log"
    command = [
        java, "-Xmx256m", "-Duser.language=en", "-jar", str(jar), "--port", "0",
        "--bind-address", "127.0.0.1", "--root-dir", str(root), "--disable-banner",
    ]  # fmt: skip
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            port = None
            while port is None:
                assert time.monotonic() < deadline, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)  # its log is the only sign of readiness it gives
                port = re.search(r"^port: +(\d+)$", log.read_text(), re.MULTILINE)
            yield f"http://127.0.0.1:{port.group(1)}"
        finally:
            process.kill()


@pytest.fixture
def both(both_servers: Both) -> Both:
    """WireMock and ours, both as after their start."""
    both_servers.reset()
    return both_servers
