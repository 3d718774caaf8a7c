"""All steps in order; the figures as JSON on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tomllib
from argparse import ArgumentParser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from scripts.rehearsal.engine import IMAGE, ROOT, Engine, RehearsalError, missing, say
from scripts.rehearsal.project import (
    CHANGE_SECONDS,
    GRACE_SECONDS,
    UP_SECONDS,
    Project,
    first_match,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_HERE = 3
"""The exit code where there can be no rehearsal."""
UID = 10001
HARDENED = (
    *("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--tmpfs=/tmp", "--network=none", "--memory=512m"),
)
PLACES = ("/var/lib/stockstream", "/backups")
EMBEDDED = {
    "STOCK_API_URL": "sim://?symbols=20",
    "DATABASE_URL": "",
    "DASHBOARD": "open",
    "BACKUP_DIRECTORY": PLACES[1],
    "BACKUP_SCHEDULE": "every 24h",
    "BACKUP_KIND": "incremental",
}
BACKUP = ("stockstream", "db", "backup", "--json", "--kind")
BACKUPS = ("stockstream", "db", "backups", "--json")
DRILL = ("stockstream", "db", "drill", "--json")
ASK = """
import json, urllib.request as u
print(json.load(u.urlopen("http://127.0.0.1:4000/health/ready"))["checks"]["history"]["ok"])
"""
LOOK = """
import importlib.util, json, os, pathlib, shutil
places = {}
for name in ("/", "/opt/stockstream", "/usr", "/var/lib/stockstream"):
    try:
        place = pathlib.Path(name, "written")
        place.write_text("x")
        place.unlink()
        places[name] = True
    except OSError:
        places[name] = False
tools = [name for name in ("pip", "pip3", "gcc", "cc", "make", "git", "curl") if shutil.which(name)]
tools += [name for name in ("pip",) if importlib.util.find_spec(name)]
bill = json.loads(pathlib.Path("/opt/stockstream/sbom.json").read_text())
print(json.dumps({"uid": os.getuid(), "writable": places, "tools": tools,
    "parts": sorted(part["name"].lower() for part in bill["components"])}))
"""


class Rehearsal:
    """What was done so far, and how long it took."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.figures: dict[str, object] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        say(name)
        begun = time.monotonic()
        yield
        self.figures[name] = round(time.monotonic() - begun, 1)

    def build(self) -> None:
        """Our image, and that of the database."""
        commit = self.engine.run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        with self.step("base image"):
            self.engine.base()
        with self.step("build"):
            given = [f"--build-arg=COMMIT={commit}", f"--build-arg=VERSION={version}"]
            self.engine.build(ROOT, IMAGE, *given)
        (image,) = json.loads(self.engine.podman("image", "inspect", IMAGE))
        labels = image["Labels"]
        _same("its label of the commit", labels["org.opencontainers.image.revision"], commit)
        _same("its label of the version", labels["org.opencontainers.image.version"], version)
        _same("its user", image["User"], str(UID))
        self.figures["image megabytes"] = round(image["Size"] / 1e6)
        with self.step("database image"):
            self.engine.build_postgres()

    def hardened(self) -> None:
        """A container with nothing it does not need."""
        with self.step("hardened run"):
            told = self.engine.podman("run", *HARDENED, IMAGE, "python", "-c", LOOK)
            version = self.engine.podman("run", *HARDENED, IMAGE, "stockstream", "--version")
        seen: dict[str, Any] = json.loads(told)
        _same("its user", seen["uid"], UID)
        _same("tools in it", seen["tools"], [])
        writable = [name for name, may in seen["writable"].items() if may]
        _same("where it may write", writable, ["/var/lib/stockstream"])
        for name in ("trio", "hypercorn", "asyncpg", "stockstream"):
            if name not in seen["parts"]:
                raise RehearsalError(f"the bill of materials does not list {name}")
        self.figures["parts in its bill"] = len(seen["parts"])
        self.figures["version"] = version.strip()

    def service(self, project: Project) -> None:
        """Up, a price, an upstream that dies and comes back."""
        with self.step("compose up"):
            project.up()
            wait_until(
                "/health/traffic", lambda: project.status("/health/traffic") == 200, UP_SECONDS
            )
        with self.step("history"):
            wait_until("recording", lambda: _ok(project, "history"), UP_SECONDS)
        with self.step("price by WebSocket"):
            first = project.price()
        self.figures["first price"] = f"{first['symbol']} {first['price']}"
        for name in ("server", "mockserver", "postgres"):
            project.health(name)
        with self.step("upstream killed, seen"):
            project.kill("mockserver")
            wait_until("a feed in trouble", lambda: not _well(project), CHANGE_SECONDS)
        _same("/health/traffic meanwhile", project.status("/health/traffic"), 200)
        _same("the last price meanwhile", project.status(f"/api/v1/quotes/{first['symbol']}"), 200)
        with self.step("upstream back, recovered"):
            project.start("mockserver")
            wait_until("the feed well again", lambda: _well(project), CHANGE_SECONDS)
            project.price()

    def back_up(self, project: Project) -> None:
        """Into the volume of the file, which is new: by hand, and by the job."""
        with self.step("backups"):
            project.told("server", *BACKUP, "dump")
            project.run_in("server", "stockstream", "jobs", "run", "backups")
            wait_until(
                "that of the job",
                lambda: len(project.told("server", *BACKUPS)["backups"]) == 2,
                CHANGE_SECONDS,
            )
        for each in project.told("server", *BACKUPS, "--verify")["backups"]:
            _same(f"the backup {each['name']}", each["trouble"], None)
        with self.step("drill"):
            drill = project.told("server", *DRILL)
        _same("the drill", drill["ok"], True)

    def back_up_embedded(self) -> None:
        """As `docker run` with no database has it: a server of our own, its log archived, backups
        of its files, and one of them restored. Volumes are new, and the root is read-only.
        """
        name = self.engine.folder.name + "-embedded"
        volumes = {place: f"{name}-{number}" for number, place in enumerate(PLACES)}
        mounts = [f"--volume={volume}:{place}" for place, volume in volumes.items()]
        given = [f"--env={key}={value}" for key, value in EMBEDDED.items()]
        podman = self.engine.podman
        try:
            podman("run", "--detach", f"--name={name}", *HARDENED, *mounts, *given, IMAGE)

            def told(*command: str) -> dict[str, Any]:
                return dict(json.loads(podman("exec", name, *command)))

            with self.step("embedded database up"):
                wait_until("recording", lambda: _records(self.engine, name), UP_SECONDS)
            with self.step("backups of its files"):
                kinds = [told(*BACKUP, kind)["kind"] for kind in ("full", "incremental")]
            _same("their kinds", kinds, ["full", "incremental"])
            with self.step("drill of its files, by the log"):
                drill = told(*DRILL, "--at", "latest")
            _same("the drill", drill["ok"], True)
            podman("stop", "--time", int(GRACE_SECONDS), name)
            restore = ("stockstream", "db", "restore", "newest", "--yes", "--json")
            with self.step("restore"):
                one_off = podman("run", *HARDENED, *mounts, *given, IMAGE, *restore)
            if not str(json.loads(one_off)["kept"]).startswith(PLACES[0]):
                raise RehearsalError(f"the database of before is not kept: {one_off}")
        finally:
            podman("rm", "--force", "--ignore", "--time", 1, name)
            podman("volume", "rm", "--force", *volumes.values())

    def stop(self, project: Project) -> None:
        """With a client that is told; nothing is left that is root's."""
        watcher = project.watcher()
        try:
            assert watcher.stdout is not None  # noqa: S101 - for the type checker
            for line in watcher.stdout:
                if "price" in json.loads(line):
                    break
            with self.step("stop"):
                code, seconds = project.stop()
        finally:
            watcher.terminate()
            watcher.communicate()
        _same("the server's exit code", code, 0)
        if seconds >= GRACE_SECONDS:
            raise RehearsalError(f"it took {seconds:.1f} s to stop, and would have been killed")
        self.figures["server stopped in"] = round(seconds, 1)
        log = project.log("server")
        first_match(r"(draining \d+ clients)", log)
        if "Traceback" in log:
            raise RehearsalError(f"an error in its log: {log[-2000:]}")
        owners = project.owners("server")
        others = {path: owner for path, owner in owners.items() if owner != UID}
        _same("files of others in its volumes", others, {})
        self.figures["files in its volumes"] = len(owners)


def _same(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise RehearsalError(f"{what}: {seen!r} in place of {wanted!r}")


def _ok(project: Project, check: str) -> bool:
    return bool(project.checks().get(check, {}).get("ok"))


def _records(engine: Engine, container: str) -> bool:
    try:
        return engine.podman("exec", container, "python", "-c", ASK).strip() == "True"
    except RehearsalError:
        return False


def _well(project: Project) -> bool:
    """Whether fetches succeed: the breaker is closed, and nothing ails the feed."""
    checks = project.checks()
    closed = checks.get("circuit_breaker", {}).get("state") == "closed"
    return closed and checks.get("feed", {}).get("state") == "live" and not checks["feed"]["reason"]


def main() -> None:
    """Do all of it. Exit codes: 0 all went well, 1 something did not, 3 it cannot be done here."""
    parser = ArgumentParser(prog="scripts/container-rehearsal", description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder that the images stay in")
    chosen = parser.parse_args()
    why = missing()
    if why is not None:
        say(f"not here: {why}")
        sys.exit(NOT_HERE)
    folder = (chosen.keep or Path(tempfile.mkdtemp(prefix="rehearsal-"))).resolve()
    rehearsal = Rehearsal(Engine(folder))
    begun = time.monotonic()
    try:
        rehearsal.build()
        rehearsal.hardened()
        rehearsal.back_up_embedded()
        with Project(rehearsal.engine, f"rehearsal{int(time.monotonic())}") as project:
            rehearsal.service(project)
            rehearsal.back_up(project)
            rehearsal.stop(project)
    except (RehearsalError, httpx.HTTPError, subprocess.SubprocessError) as error:
        say(f"failed: {error}")
        sys.exit(1)
    finally:
        if chosen.keep is None:
            rehearsal.engine.reset()
    rehearsal.figures["all"] = round(time.monotonic() - begun)
    print(json.dumps(rehearsal.figures, indent=2))


if __name__ == "__main__":
    main()
