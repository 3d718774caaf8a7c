"""The profile `cluster` of docker-compose.yml without containers: a network namespace per service.

Commands, environment, configs, names, networks and healthchecks are those of the file, and so is
the resolver that the balancer asks. The images are not: the programs of this machine are run, by
root, and limits are left out. Needs root, `ip` and HAProxy.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stockstream.cluster.nats_server import program
from stockstream.database.embedded.programs import programs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
POSTGRES = programs()
SERVICES = (
    *("postgres", "mockserver", "nats", "node-1", "node-2", "node-3", "balancer"),
    "prometheus",  # for who starts it
)
SUBNETS = {"default": "172.30.40", "bus": "172.30.41"}
"""Those that the file leaves open."""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SECRETS = {
    name: hashlib.sha256(name.encode()).hexdigest()
    for name in ("POSTGRES_PASSWORD", "SECRET_KEY_BASE", "ADMIN_TOKEN")
}
HEALTHY_SECONDS = 60.0
PREFIX = "compose-"

RESOLVER = """
import json, socket, sys
names = json.loads(sys.argv[1])
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind(("127.0.0.11", 53))
while True:
    question, who = asked.recvfrom(2048)
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += question[at] + 1
    address = names.get(".".join(labels))
    found = address is not None and question[at + 2] == 1
    head = question[:2] + bytes([0x81, 0x80 if address else 0x83, 0, 1, 0, found, 0, 0, 0, 0])
    record = b"\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x05\\0\\x04" + socket.inet_aton(address or "0")
    asked.sendto(head + question[12 : at + 5] + (record if found else b""), who)
"""
"""What Docker has at 127.0.0.11: it knows the services of one's networks, and nothing else."""


def missing() -> str | None:
    """What this machine lacks for it."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    lacking = [name for name in ("ip", "haproxy", "setpriv", "wget") if shutil.which(name) is None]
    return f"no {', '.join(lacking)} here" if lacking else None


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """All services for the time of a `with`, healthy as the file has it."""
    services = Composed(folder)
    try:
        services.up()
        yield services
    finally:
        services.down()


class Composed:
    """The services, each once it was started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sockets = Path("/tmp") / f"{PREFIX}postgres-{os.getpid()}"  # another user gets there
        front = self._file["networks"]["front"]["ipam"]["config"][0]["subnet"]
        subnets = {**SUBNETS, "front": front.rpartition(".")[0]}
        self._networks = subnets
        self._addresses = {
            name: {
                net: f"{subnets[net]}.{number}"
                for net in self._file["services"][name].get("networks", ["default"])
            }
            for number, name in enumerate(SERVICES, 2)
        }
        self.host = self._addresses["balancer"]["front"]
        self.prometheus = f"http://{self._addresses['prometheus']['default']}:9090"

    def up(self) -> None:
        """Start all of them, in the order that the file waits for."""
        self._remove()  # what a run that was killed has left
        self._make_networks()
        self._start_postgres()
        for name in ("mockserver", "nats"):
            self.start(name)
            self.until_healthy(name)
        nodes = list(self._file["services"]["balancer"]["depends_on"])
        for name in nodes:
            self.start(name)
        for name in nodes:
            self.until_healthy(name)
        self.start("balancer")
        self.until_healthy("balancer")

    def down(self) -> None:
        """End all that was started, and leave no network behind."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._remove()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def start(self, name: str) -> None:
        """Run a service as the file says."""
        service = self._file["services"][name]
        if name == "nats":
            self._run(name, program(), "--config", self._config("nats"))
        elif name == "balancer":
            known = self._seen_from(name)
            self._run("balancer", sys.executable, "-c", RESOLVER, json.dumps(known), of="resolver")
            self._run(name, "haproxy", "-f", self._config("balancer"))
        elif name == "prometheus":
            self._run(name, "prometheus", *self._watching(service["command"]))
        else:
            command = service.get("command", ["stockstream", "serve"])
            self._run(name, *command, environment=self._environment(name))

    def kill(self, name: str) -> None:
        """End a service as a machine that fails does."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def freeze(self, name: str, *, frozen: bool = True) -> None:
        """Stop a service, or have it go on."""
        self._processes[name].send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def until_healthy(self, name: str) -> None:
        """Ask by the healthcheck of the file, or of the image, until it agrees."""
        health = self._file["services"][name].get("healthcheck")
        if health is None:
            text = (ROOT / "Dockerfile").read_text()
            match = re.search(r"HEALTHCHECK [^\[]*CMD (\[.*\])", text)
            assert match is not None
            test = json.loads(match[1])
        else:
            test = health["test"][1:]
        deadline = time.monotonic() + HEALTHY_SECONDS
        while self._inside(name, *test).returncode != 0:
            ended = self._processes[name].poll() is not None
            late = time.monotonic() > deadline
            if ended or late:
                raise AssertionError(f"{name} is not healthy: {self.log(name)[-2000:]}")
            time.sleep(0.2)

    def status(self, name: str) -> str:
        """What a node says of the cluster."""
        told = self._inside(
            name, "stockstream", "cluster", "status", "--url", "http://127.0.0.1:4000"
        )
        return told.stdout

    def log(self, name: str) -> str:
        """What a service has said."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    # How it is made

    def _seen_from(self, me: str) -> dict[str, str]:
        """The services that share a network with one, by their addresses there."""
        mine, found = self._addresses[me], dict[str, str]()
        for other, theirs in self._addresses.items():
            for net in mine.keys() & theirs:
                found.setdefault(other, theirs[net])
        return found

    def _make_networks(self) -> None:
        for net, subnet in self._networks.items():
            bridge = _bridge(net)
            _ip("link", "add", bridge, "type", "bridge")
            if not (self._file["networks"][net] or {}).get("internal"):
                _ip("addr", "add", f"{subnet}.1/28", "dev", bridge)
            _ip("link", "set", bridge, "up")
        for number, (name, nets) in enumerate(self._addresses.items()):
            space = PREFIX + name
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
            for each, (net, address) in enumerate(nets.items()):
                outside, inside = f"compose{number}-{each}", f"eth{each}"
                _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
                _ip("link", "set", outside, "master", _bridge(net), "up")
                _ip("-n", space, "addr", "add", f"{address}/28", "dev", inside)
                _ip("-n", space, "link", "set", inside, "up")
            own = Path("/etc/netns") / space
            own.mkdir(parents=True)
            (own / "resolv.conf").write_text("nameserver 127.0.0.11\n")
            known = {} if name == "balancer" else self._seen_from(name)
            lines = [f"{address} {other}" for other, address in known.items()]
            (own / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))

    def _remove(self) -> None:
        for name in SERVICES:
            _ip("netns", "del", PREFIX + name, check=False)
            shutil.rmtree(Path("/etc/netns") / (PREFIX + name), ignore_errors=True)
        for net in self._networks:
            _ip("link", "del", _bridge(net), check=False)

    def _start_postgres(self) -> None:
        """As the image does: a user and a database of the names given, and a password."""
        given = self._environment("postgres")
        home = self._sockets
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        (home / "password").write_text(given["POSTGRES_PASSWORD"])
        for path in (home, home / "password"):
            os.chown(path, 65534, 65534)
        user, data = given["POSTGRES_USER"], home / "data"
        options = ["-A", "scram-sha-256", "-U", user, f"--pwfile={home / 'password'}"]
        _must([*NOBODY, POSTGRES / "initdb", "-D", data, *options])
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        server = [POSTGRES / "postgres", "-D", data, "-k", home, "-c", "listen_addresses=*"]
        self._run("postgres", *NOBODY, *server)
        self.until_healthy("postgres")
        secret = {"PGHOST": str(home), "PGPASSWORD": given["POSTGRES_PASSWORD"]}
        _must([POSTGRES / "createdb", "-U", user, given["POSTGRES_DB"]], environment=secret)

    def _environment(self, name: str) -> dict[str, str]:
        """What the image and the file set; the volume is a folder of the test."""
        text = (ROOT / "Dockerfile").read_text()
        image = dict(re.findall(r"^(?:ENV)? +([A-Z_]+)=(\S+?)(?: \\)?$", text, re.MULTILINE))
        image.pop("PATH")
        given = {**image, **self._file["services"][name].get("environment", {})}
        volume = self._folder / name
        volume.mkdir(mode=0o700, exist_ok=True)
        filled = {key: _filled(value) for key, value in given.items()}
        if "BACKUP_DIRECTORY" in filled:
            filled["BACKUP_DIRECTORY"] = str(self._folder / "backups")
        return {**filled, "DATA_DIRECTORY": str(volume)}

    def _watching(self, command: list[str]) -> list[str]:
        """Prometheus' command, with this machine's places in place of those of the container."""
        mounted, token = ROOT / "deploy" / "prometheus", self._folder / "metrics_token"
        token.write_text(SECRETS["ADMIN_TOKEN"])
        text = (mounted / "prometheus.yaml").read_text()
        for there, here in {
            "/run/secrets/metrics_token": token,
            "/etc/stockstream/targets.yaml": mounted / "targets" / "cluster.yaml",
            "*.rules.yaml": mounted / "*.rules.yaml",
        }.items():
            assert text.count(there) == 1, there
            text = text.replace(there, str(here))
        file = self._folder / "prometheus.yaml"
        file.write_text(text)
        places = {"/etc/prometheus/prometheus.yaml": file, "/prometheus": self._folder / "metrics"}
        return [
            f"{option}={places.get(value, value)}"
            for option, _, value in (argument.partition("=") for argument in command)
        ]

    def _config(self, name: str) -> Path:
        file = self._folder / f"{name}.conf"
        file.write_text(self._file["configs"][name]["content"])
        return file

    def _run(
        self, name: str, *command: object, of: str = "", environment: dict[str, str] | None = None
    ) -> None:
        with (self._folder / f"{of or name}.log").open("ab") as log:
            self._processes[of or name] = subprocess.Popen(
                _within(name, *command), stdout=log, stderr=log, env=_with(environment or {})
            )

    def _inside(self, name: str, *command: object) -> subprocess.CompletedProcess[str]:
        more = {"STOCKSTREAM_TOKEN": SECRETS["ADMIN_TOKEN"], "PGHOST": str(self._sockets)}
        return subprocess.run(
            _within(name, *command), capture_output=True, text=True, env=_with(more), check=False
        )


def _bridge(net: str) -> str:
    return f"compose-{net[:7]}"


def _within(name: str, *command: object) -> list[str]:
    return ["ip", "netns", "exec", PREFIX + name, *map(str, command)]


def _with(more: dict[str, str]) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), str(POSTGRES), os.environ["PATH"]))
    return {"PATH": path, "LANG": "C.UTF-8", **more}


def _filled(value: str) -> str:
    """As compose fills in what .env has."""
    required = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: SECRETS[match[1]], value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", required)


def _ip(*arguments: str, check: bool = True) -> None:
    ended = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 or not check, f"ip {' '.join(arguments)}: {ended.stderr}"


def _must(command: list[Any], environment: dict[str, str] | None = None) -> None:
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
