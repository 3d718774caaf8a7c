"""The services of docker-compose.yml, at ports that are free, and what is seen of them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from scripts.rehearsal.engine import ROOT, RehearsalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scripts.rehearsal.engine import Engine

SERVICES = ("postgres", "mockserver", "server")
"""Those without a profile."""
SERVER_PORT, GRACE_SECONDS = 4000, 15.0
UP_SECONDS, CHANGE_SECONDS, PRICE_SECONDS = 90.0, 40.0, 20.0
POLL_SECONDS = 0.2
WATCH = (ROOT / ".venv" / "bin" / "stockstream", "watch", "--all", "--json")


class Project:
    """One `up` of the file, under a name of its own."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._folder = engine.folder / name
        self._ports: dict[str, int] = {}
        self._compose = engine.compose()

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(self, *_error: object) -> None:
        self._run("down", "--volumes", seconds=120)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the server is published."""
        return f"http://127.0.0.1:{self._ports['server']}"

    def _write(self) -> None:
        """The file as it is, but for ports and for services of profiles; `.env` by its script."""
        document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
        document["services"] = {name: document["services"][name] for name in SERVICES}
        document.pop("secrets")  # files of a profile
        for name, service in document["services"].items():
            (published,) = service["ports"]
            inside = published.rpartition(":")[2]
            self._ports[name] = _free_port()
            service["ports"] = [f"127.0.0.1:{self._ports[name]}:{inside}"]
            service.pop("build", None)
        scripts = self._folder / "scripts"
        scripts.mkdir(parents=True)
        (self._folder / "docker-compose.yml").write_text(yaml.safe_dump(document))
        shutil.copy(ROOT / "scripts" / "make-env", scripts)
        self._engine.run(scripts / "make-env")
        with (self._folder / ".env").open("a") as env:
            env.write(f"NOFILE={self._engine.files}\n")
            env.write("BACKUP_SCHEDULE=every 24h\nBACKUP_KIND=dump\n")

    def _run(self, *arguments: str, seconds: float) -> str:
        file = self._folder / "docker-compose.yml"
        where = ("--project-name", self._name, "--file", file, "--in-pod", "false")
        return self._engine.run(self._compose, *where, *arguments, seconds=seconds)

    def up(self) -> None:
        """Start them all, without building anything."""
        self._run("up", "--detach", "--no-build", seconds=UP_SECONDS)

    def container(self, service: str) -> str:
        """The container of a service."""
        return f"{self._name}_{service}_1"

    def kill(self, service: str) -> None:
        """End it at once, and have it stay away."""
        self._engine.podman("stop", "--time", 0, self.container(service))

    def start(self, service: str) -> None:
        """Start it again."""
        self._engine.podman("start", self.container(service))

    def stop(self) -> tuple[int, float]:
        """Stop all; the server's exit code, and how long it took to end."""
        begun = time.monotonic()
        self._engine.podman("stop", "--time", int(GRACE_SECONDS), self.container("server"))
        seconds = time.monotonic() - begun
        state = self.inspect("server")["State"]
        self._run("stop", seconds=60)
        return int(state["ExitCode"]), seconds

    def run_in(self, service: str, *command: str) -> str:
        """Run a command in its container; what it says."""
        return self._engine.podman("exec", self.container(service), *command)

    def told(self, service: str, *command: str) -> dict[str, Any]:
        """What a command there says as JSON."""
        return dict(json.loads(self.run_in(service, *command)))

    def inspect(self, service: str) -> dict[str, Any]:
        """What podman knows of its container."""
        (found,) = json.loads(self._engine.podman("inspect", self.container(service)))
        return dict(found)

    def log(self, service: str) -> str:
        """What it has said."""
        command = ("podman", "logs", self.container(service))
        return self._engine.run("sh", "-c", '"$@" 2>&1', "sh", *command)

    def owners(self, service: str) -> dict[str, int]:
        """Whose the files in its volumes are, by path."""
        found: dict[str, int] = {}
        for mount in self.inspect(service)["Mounts"]:
            if mount["Type"] == "volume":
                place = Path(mount["Source"])
                found |= {str(path): path.lstat().st_uid for path in [place, *place.rglob("*")]}
        return found

    def health(self, service: str) -> None:
        """Run the health check that the image, or the file, has for it."""
        self._engine.podman("healthcheck", "run", self.container(service))

    def status(self, path: str) -> int:
        """The status of an answer; 0 where there is none."""
        try:
            with httpx.Client(trust_env=False, timeout=5) as client:
                return client.get(self.url + path).status_code
        except httpx.HTTPError:
            return 0

    def checks(self) -> dict[str, Any]:
        """What `/health/ready` says, whatever its status."""
        try:
            with httpx.Client(trust_env=False, timeout=5) as client:
                return dict(client.get(f"{self.url}/health/ready").json()["checks"])
        except httpx.HTTPError:
            return {}

    def price(self) -> dict[str, Any]:
        """One price, by the WebSocket."""
        words = (*WATCH, "--count", "1", "--url", self.url)
        for line in self._engine.run(*words, seconds=PRICE_SECONDS).splitlines():
            told = json.loads(line)
            if "price" in told:
                return dict(told)
        raise RehearsalError("`stockstream watch --count 1` ended well, without a price")

    def watcher(self) -> subprocess.Popen[str]:
        """A client that stays."""
        words = [str(word) for word in (*WATCH, "--url", self.url)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(what: str, holds: Callable[[], object], seconds: float) -> float:
    """Ask again and again; how long it took.

    Raises:
        RehearsalError: it did not come to hold in time.
    """
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise RehearsalError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begun


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_match(pattern: str, text: str) -> str:
    """The part of a text that a pattern finds.

    Raises:
        RehearsalError: there is none.
    """
    found = re.search(pattern, text)
    if found is None:
        raise RehearsalError(f"nothing like {pattern} in: {text[-500:]}")
    return found[1]
